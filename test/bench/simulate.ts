import type { Bench, Row } from './bench.ts'
import { boardsOf } from './simulation/boards.ts'
import { peakOf, tooSoon, tripsOf } from './simulation/counts.ts'
import type { FleetSettings } from './simulation/fleet.ts'
import { inputsIn, LIVES, manual } from './simulation/inputs.ts'
import { figuresOf, type Inputs, processesFor } from './simulation/paper.ts'
import { type Outcome, runSteps, type Step, startAllAtOnce } from './simulation/steps.ts'

const SEED = 1
/** Milliseconds that an EHR takes around what the manual reckons with. */
const AROUND = 100
/** Hospitals whose tokens are kept warm. */
const KEPT = 10
/** Seconds in which all that start at once have what they need. */
const START = 5
/** Ticks of the boards: a minute. */
const TICKS = 12

export const simulate: Bench = {
  name: 'simulate',
  title: 'the manual’s model of a fleet, on paper and by simulation of the real token rooms',
  run: async tell => {
    const inputs = inputsIn(manual())
    const rows: Row[] = []
    tell(`  ${processesFor(inputs)} processes, ${inputs.hospitals} hospitals, seed ${SEED}`)
    tell('| life | step | EHR calls | on paper | round trips to redis | on paper | most a second |')
    for (const life of LIVES) rows.push(...(await rowsOf(life, inputs, tell)))
    rows.push(...(await startRows(inputs)), ...(await boardRows(inputs)))
    return rows
  },
}

/** What the model says of a step that takes so many seconds. */
export function expected(
  { step, seconds }: Pick<Outcome, 'step' | 'seconds'>,
  life: number,
  inputs: Inputs,
): { calls: number; trips: number } {
  const all = processesFor(inputs)
  const left = step === 'zone out' ? all * (1 - 1 / inputs.zones) : all
  const { calls, trips, callsAlone, looksOfDeployment, looksOfReturn } = figuresOf(
    inputs,
    life,
    left,
  )
  if (step === 'redis out') return { calls: callsAlone * seconds, trips: 0 }
  const once: Partial<Record<Step, number>> = {
    deployment: looksOfDeployment,
    'zone back': looksOfReturn,
  }
  return { calls: calls * seconds, trips: trips * seconds + (once[step] ?? 0) }
}

export const settingsFor = (inputs: Inputs, life: number, seed: number): FleetSettings => ({
  ...{ hospitals: inputs.hospitals, scopeSets: inputs.scopeSets, life, zones: inputs.zones },
  ...{ processes: processesFor(inputs), rate: inputs.rate, kept: KEPT, seed },
  ehr: [inputs.ehr * 1000 - AROUND, inputs.ehr * 1000 + AROUND],
  tokenLength: inputs.token,
})

/** Calls that came before one for the same key, or with redis out for the same key and process, was due. */
export function earlyCalls({ step, counts: { calls } }: Outcome, soonest: number): number {
  if (step !== 'redis out') return tooSoon(calls, soonest, ({ key }) => `${key}`)
  return tooSoon(calls, soonest, ({ key, broker }) => `${key} ${broker}`)
}

async function rowsOf(life: number, inputs: Inputs, tell: (line: string) => void): Promise<Row[]> {
  const { period, lead } = figuresOf(inputs, life)
  const rows: Row[] = []
  const sums = { failed: 0, early: 0, wrong: 0, checked: 0 }
  await runSteps(settingsFor(inputs, life, SEED), period, outcome => {
    const { step, counts } = outcome
    const paper = expected(outcome, life, inputs)
    const [calls, trips] = [counts.calls.length, tripsOf(counts)]
    const name = `${life}s_${step.replace(' ', '_')}`
    rows.push(near(`${name}_calls`, calls, paper.calls, 'calls'))
    if (paper.trips > 0) rows.push(near(`${name}_trips`, trips, paper.trips, 'trips'))
    sums.failed += counts.failed
    sums.early += earlyCalls(outcome, life - lead)
    sums.wrong += counts.wrong
    sums.checked += counts.checked
    const most = `${shown(peakOf(counts.callsAt))} calls, ${shown(peakOf(counts.commandsAt))} trips`
    const cells = [`${life} s`, step, calls, paper.calls, trips, paper.trips, most]
    tell(`| ${cells.map(shown).join(' | ')} |`)
  })
  return [
    ...rows,
    none(`${life}s_failed_handouts`, sums.failed, 'hand-outs'),
    none(`${life}s_early_calls`, sums.early, 'calls'),
    none(`${life}s_wrong_of_${sums.checked}_checks`, sums.wrong, 'checks'),
  ]
}

async function startRows(inputs: Inputs): Promise<Row[]> {
  const [life] = LIVES
  const { keys } = figuresOf(inputs, life)
  const counts = await startAllAtOnce(settingsFor(inputs, life, SEED), START)
  const calls = counts.calls.length
  return [
    {
      ...{ what: 'cold_start_calls', value: calls, unit: 'calls', ratio: calls / keys },
      ...{ against: 'paper', needs: { text: '= 1', isMet: calls === keys } },
    },
    told('cold_start_most_trips', peakOf(counts.commandsAt), 'trips/s'),
    none('cold_start_failed_handouts', counts.failed, 'hand-outs'),
  ]
}

async function boardRows(inputs: Inputs): Promise<Row[]> {
  const processes = processesFor(inputs)
  const counts = await boardsOf(processes, TICKS, SEED)
  return [
    told('board_trips', tripsOf(counts) / TICKS / 5, 'trips/s'),
    told('board_bytes', counts.bytes / TICKS / 5, 'bytes/s'),
    told('board_tries', counts.commands.read_board / TICKS / processes, 'tries'),
  ]
}

function near(what: string, value: number, paper: number, unit: string): Row {
  const ratio = value / paper
  const needs = { text: '0.9 to 1.1', isMet: ratio >= 0.9 && ratio <= 1.1 }
  return { what, value, unit, ratio, against: 'paper', needs }
}

const none = (what: string, value: number, unit: string): Row => ({
  ...{ what, value, unit, ratio: null, against: null },
  needs: { text: '= 0', isMet: value === 0 },
})

const told = (what: string, value: number, unit: string): Row => ({
  ...{ what, value, unit, ratio: null, against: null },
})

const shown = (cell: string | number): string =>
  typeof cell === 'string' ? cell : Math.round(cell).toLocaleString('en')
