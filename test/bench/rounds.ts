import { median, spreadOf } from './bench.ts'
import type { Server } from './servers.ts'
import type { Round } from './wrk.ts'

export interface Measured {
  rate: number
  p99: number
  rateSpread: [number, number]
  p99Spread: [number, number]
}

export interface Plan {
  rounds: number
  /** Of its core, what a server must have used for its round to count; 0 where it is not to be busy. */
  busy: number
  measure: (server: Server) => Promise<Round>
  tell: (line: string) => void
}

/** A round on which the bare server is so far off its median was disturbed by the machine. */
const STEADY = 0.2
/** Rounds beyond those that are asked for, at most so many times as many. */
const PATIENCE = 3

/**
 * Servers in turn, A B C A B C: what the machine does meanwhile happens to all of them. The first server is the one that
 * tells whether the machine was steady; a disturbed turn is measured again, and said.
 */
export async function inTurn(
  servers: readonly Server[],
  { rounds, busy, measure, tell }: Plan,
): Promise<Map<string, Measured>> {
  const turns: Round[][] = []
  for (let nth = 0; nth < rounds * PATIENCE && steady(turns).length < rounds; nth++) {
    const turn: Round[] = []
    for (const server of servers) turn.push(await measured(server, measure))
    tell(`  turn ${nth + 1}: ${servers.map(({ name }, at) => shown(name, turn[at])).join(' · ')}`)
    const idle = servers.filter((_, at) => (turn[at]?.busy ?? 0) < busy)
    if (idle.length > 0)
      tell(`  does not count: ${idle.map(({ name }) => name).join(', ')} did not have its core`)
    else turns.push(turn)
  }
  const good = steady(turns)
  if (good.length < rounds)
    tell(`  the machine was busy with other things: ${good.length} of ${rounds} turns count`)
  else if (good.length < turns.length)
    tell(`  ${turns.length - good.length} turns were measured again: the bare figure was off`)
  const counted = good.length > 0 ? good : turns
  if (counted.length === 0) throw new Error('No turn counts: the machine has no core to spare.')
  return new Map(
    servers.map(({ name }, at) => {
      const of = (figure: 'rate' | 'p99') => counted.map(turn => turn[at]?.[figure] ?? Number.NaN)
      return [
        name,
        {
          ...{ rate: median(of('rate')), p99: median(of('p99')) },
          ...{ rateSpread: spreadOf(of('rate')), p99Spread: spreadOf(of('p99')) },
        },
      ]
    }),
  )
}

async function measured(server: Server, measure: Plan['measure']): Promise<Round> {
  const round = await measure(server)
  if (round.bad > 0) throw new Error(`${server.name}: ${round.bad} requests failed`)
  return round
}

function steady(turns: Round[][]): Round[][] {
  const middle = median(turns.map(([first]) => first?.rate ?? Number.NaN))
  return turns.filter(([first]) => Math.abs((first?.rate ?? 0) / middle - 1) <= STEADY)
}

const shown = (name: string, round: Round | undefined): string =>
  round === undefined
    ? name
    : `${name} ${Math.round(round.rate)}/s, p99 ${round.p99.toFixed(1)} ms, core ${Math.round(round.busy * 100)} %`
