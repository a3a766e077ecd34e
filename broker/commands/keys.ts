import { type Command, Option } from 'commander'
import { ALGS } from '../../keys-pipeline/algorithms.ts'
import { ENVIRONMENTS } from '../../keys-pipeline/key-set.ts'
import { askDaemon, orderDaemon } from '../admin-client.ts'
import { readConfig } from '../config.ts'
import type { Begun, Revoked } from '../keys/orders.ts'
import type { KeyOverview } from '../keys/overview.ts'
import { keysReport, revokedReport } from './keys-report.ts'
import type { Terminal } from './terminal.ts'

interface Given {
  config: string
  json?: true
}

/** `keys`, `rotate`, `release` and `revoke`: what becomes of the keys of the running broker. */
export function keysCommands(program: Command, terminal: Terminal): void {
  const command = (name: string, description: string): Command =>
    program
      .command(name)
      .description(description)
      .option('--config <file>', 'the config of the broker', 'broker.yaml')
      .option('--json', 'one JSON document on standard output')
  const adminOf = ({ config }: Given) => readConfig(terminal.path(config)).admin

  command(
    'keys',
    'each key of the running broker: its state, what it waits for and until when',
  ).action(async (given: Given) => {
    const { environments } = (await askDaemon(adminOf(given), '/keys')) as {
      environments: KeyOverview[]
    }
    if (given.json) terminal.printJson({ environments })
    else terminal.print(keysReport(environments, terminal.now()))
  })

  command(
    'rotate',
    'replace the keys of an environment: make the next, publish it, switch, withdraw the old',
  )
    .addArgument(environmentArgument(program))
    .addOption(new Option('--alg <algorithm>', 'of this algorithm alone').choices(ALGS))
    .action(async (environment: string, given: Given & { alg?: string }) => {
      const { rotations } = (await orderDaemon(adminOf(given), '/keys/rotate', {
        environment,
        ...(given.alg !== undefined && { alg: given.alg }),
      })) as { rotations: Begun[] }
      if (given.json) return terminal.printJson({ rotations })
      for (const { alg, did } of rotations)
        terminal.print(did === 'begun' ? `✓ ${alg}: begun` : `- ${alg}: under way already`)
      terminal.print('Next: npm run -s broker -- keys')
    })

  command('release', 'print the word of a key that stays that this one has stopped signing')
    .argument('<kid>', 'the key ID')
    .action(async (kid: string, given: Given) => {
      const released = (await orderDaemon(adminOf(given), '/keys/release', { kid })) as {
        release: string
      }
      if (given.json) terminal.printJson(released)
      else terminal.print(released.release)
    })

  command('revoke', 'stop signing with a key at once and for ever, and propose its removal')
    .argument('<kid>', 'the key ID')
    .requiredOption('--reason <text>', 'why, for whoever reads the lifecycle file in a year')
    .action(async (kid: string, given: Given & { reason: string }) => {
      const { reason } = given
      const order = { kid, reason }
      const admin = adminOf(given)
      const revoked = await heard(
        (await orderDaemon(admin, '/keys/revoke', order)) as Revoked,
        async () => ((await askDaemon(admin, '/keys')) as Overviews).environments,
        terminal,
      )
      if (given.json) terminal.printJson(revoked)
      else terminal.print(revokedReport(revoked, terminal.now()))
      const isDone = revoked.isSaved && !isUnheard(revoked) && revoked.untold === null
      if (!isDone || revoked.upstreams.some(each => each.kid === null)) terminal.fail()
    })
}

/** Milliseconds for which the other brokers are waited for, who look every five seconds; and between two questions. */
const [PATIENCE, PAUSE] = [8_000, 500]

const isUnheard = ({ replicas }: Revoked): boolean => replicas.some(({ isGiven }) => !isGiven)

interface Overviews {
  environments: KeyOverview[]
}

/** Looks again for a while whether the other brokers have acknowledged it. */
async function heard(
  revoked: Revoked,
  look: () => Promise<KeyOverview[]>,
  { elapsed, wait }: Terminal,
): Promise<Revoked> {
  let latest = revoked
  for (const began = elapsed(); isUnheard(latest) && elapsed() - began < PATIENCE; ) {
    await wait(PAUSE)
    const here = (await look()).find(({ environment }) => environment === revoked.environment)
    const lines = new Map(here?.replicas.map(each => [each.id, each]))
    latest = { ...latest, replicas: latest.replicas.map(each => seen(each, lines, revoked.kid)) }
  }
  return latest
}

function seen(
  each: Revoked['replicas'][number],
  lines: ReadonlyMap<string, KeyOverview['replicas'][number]>,
  kid: string,
): Revoked['replicas'][number] {
  const line = lines.get(each.id)
  return line ? { ...each, at: Date.parse(line.heardAt), isGiven: !line.lacks.includes(kid) } : each
}

const environmentArgument = (program: Command) =>
  program.createArgument('<environment>', 'whose keys').choices([...ENVIRONMENTS])
