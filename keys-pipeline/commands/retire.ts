import { type Command, CommanderError, InvalidArgumentError } from 'commander'
import type { Environment } from '../key-set.ts'
import { isTime } from '../lifecycle.ts'
import { openPrivateKey } from '../private-key.ts'
import { type Retire, retireKey } from '../retire.ts'
import { keySetUrl, readSettings } from '../settings.ts'
import { makeStatement } from '../statements.ts'
import { optionsIn, type Terminal } from './terminal.ts'

type RetireOptions = Omit<Retire, 'kid'> & {
  environment: Environment
  keys: string
  settings: string
  json?: true
}
type ProveOptions = {
  environment: Environment
  privateKey: string
  settings: string
  json?: true
}

/** `retire`, and `prove`, which is run where a private key is. */
export function retireCommands(program: Command, terminal: Terminal): void {
  const options = optionsIn(terminal)
  program
    .command('retire')
    .description('take a key out of an environment, and record why')
    .argument('<kid>', 'the key ID')
    .addOption(options.environment().makeOptionMandatory())
    .requiredOption('--reason <text>', 'why, for whoever reads the file in a year')
    .option('--release <jws>', 'what the broker said when the key had stopped signing')
    .option('--unreleased', 'nobody released it: the team has no broker')
    .option('--emergency', 'the private key got out: do not wait for age or release')
    .option(
      '--live-since <time>',
      'since when a key that stays has been live (2026-11-25T00:00:00Z), where no record tells',
      time,
    )
    .addOption(options.keys())
    .addOption(options.settings())
    .addOption(options.json())
    .action((kid: string, given: RetireOptions) => retire(kid, given, terminal))

  program
    .command('prove')
    .description('print a proof that you hold a private key, for: add --proof')
    .requiredOption('--private-key <file>', 'PEM or JWK; it is read and never shown', terminal.path)
    .addOption(options.environment().makeOptionMandatory())
    .addOption(options.settings())
    .addOption(options.json())
    .action((given: ProveOptions) => prove(given, terminal))
}

async function retire(kid: string, given: RetireOptions, terminal: Terminal): Promise<void> {
  const { environment, keys, settings, json, ...record } = given
  if (record.reason.trim() === '' || record.reason.length > 500)
    throw new CommanderError(2, 'usage', 'error: --reason needs 1 to 500 characters')
  const retired = await retireKey(
    { kid, ...record },
    { keys, environment, url: urlOf(given, terminal), now: terminal.now(), show: terminal.show },
  )
  if (json) return terminal.printJson(retired)
  terminal.print(`✓ kid ${retired.kid} is retired from ${environment}\n  deleted ${retired.file}`)
  terminal.print('Next: commit the deletion and lifecycle.json, and open a pull request.')
}

function prove(given: ProveOptions, terminal: Terminal): void {
  const { key, half } = openPrivateKey(given.privateKey, terminal.show)
  const statement = {
    sub: half.thumbprint,
    aud: urlOf(given, terminal),
    iat: Math.floor(terminal.now() / 1000),
  }
  const proof = makeStatement('possession', statement, { key, jwk: half.jwk })
  if (given.json) terminal.printJson({ proof, thumbprint: half.thumbprint, url: statement.aud })
  else terminal.print(proof)
}

function urlOf(given: { environment: Environment; settings: string }, { show }: Terminal): string {
  const { baseUrl, environments } = readSettings(given.settings, show)
  return keySetUrl(baseUrl, environments[given.environment].path)
}

function time(text: string): string {
  if (!isTime(text)) throw new InvalidArgumentError('It must be a time like 2026-11-25T00:00:00Z.')
  return text
}
