import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { addKeys, type Custody } from '../add.ts'
import { ALGS, type Alg, DEFAULT_ALG } from '../algorithms.ts'
import { generateKey } from '../generate.ts'
import { ENVIRONMENTS, type Environment } from '../key-set.ts'
import { judgeKeys } from '../pipeline.ts'
import { findingsReport, generatedReport, keysTable, listedKeys } from '../report.ts'
import { keySetUrl, readSettings } from '../settings.ts'
import { optionsIn, type Terminal } from './terminal.ts'

interface CommonOptions {
  environment: Environment
  role: Custody['role']
  keys: string
  settings: string
  json?: true
}
type GenerateOptions = CommonOptions & {
  alg: Alg
  bits: string
  kid?: string
  privateFolder?: string
}
type AddOptions = CommonOptions & { kid?: string; alg?: Alg; proof?: string[] }

/** The custodian's commands for keys that come: `generate`, `add`, `list`. */
export function custodyCommands(program: Command, terminal: Terminal): void {
  generateCommand(program, terminal)
  addCommand(program, terminal)
  listCommand(program, terminal)
}

function generateCommand(program: Command, terminal: Terminal): void {
  const { print, printJson, path } = terminal
  const options = optionsIn(terminal)
  program
    .command('generate')
    .description(
      'make a key pair: the private half outside the checkout (0600), the public half into the keys folder',
    )
    .addOption(options.environment().default('nonprod'))
    .addOption(new Option('--alg <alg>', 'signature algorithm').choices(ALGS).default(DEFAULT_ALG))
    .addOption(
      new Option('--bits <bits>', 'size of an RSA key')
        .choices(['2048', '3072', '4096'])
        .default('3072'),
    )
    .option('--kid <kid>', 'key ID (default: the RFC 7638 thumbprint)')
    .addOption(options.role())
    .option(
      '--private-folder <folder>',
      'where the private half goes (default: ~/.lockstep/<environment>)',
      path,
    )
    .addOption(options.keys())
    .addOption(options.settings())
    .addOption(options.json())
    .action((given: GenerateOptions) => {
      const privateFolder =
        given.privateFolder ?? join(terminal.home, '.lockstep', given.environment)
      const { alg, bits, kid } = given
      const custody = custodyOf(given, terminal)
      const made = generateKey({ alg, bits: Number(bits), kid, privateFolder }, custody)
      if (given.json) printJson(made)
      else print(generatedReport(made, given.environment, custody.url))
    })
}

function addCommand(program: Command, terminal: Terminal): void {
  const { print, printJson, path } = terminal
  const options = optionsIn(terminal)
  program
    .command('add')
    .description('add the public keys of a file (PEM, certificate, JWK or JWKS) to an environment')
    .argument('<file>', 'the file', path)
    .addOption(options.environment().makeOptionMandatory())
    .option('--proof <jws...>', 'what prove printed where the private key is')
    .option('--kid <kid>', 'keep this key ID, which is registered already')
    .addOption(
      new Option('--alg <alg>', 'keep this algorithm, which is registered already').choices(ALGS),
    )
    .addOption(options.role())
    .addOption(options.keys())
    .addOption(options.settings())
    .addOption(options.json())
    .action(async (file: string, given: AddOptions) => {
      const { kid, alg, proof = [] } = given
      const added = await addKeys(file, { kid, alg }, proof, custodyOf(given, terminal))
      if (given.json) return printJson({ added })
      for (const key of added)
        print(`✓ ${key.alg}, ${key.bits} bits, kid ${key.kid}\n  ${key.file}`)
    })
}

function listCommand(program: Command, terminal: Terminal): void {
  const { print, printJson, show } = terminal
  const options = optionsIn(terminal)
  program
    .command('list')
    .description('show the keys of both environments')
    .addOption(options.keys())
    .addOption(options.json())
    .action((given: { keys: string; json?: true }) => {
      const judgement = judgeKeys(given.keys, show)
      const keys = ENVIRONMENTS.flatMap(name => listedKeys(name, judgement.environments[name]))
      const findings = judgement.findings.filter(each => each.code !== 'set_empty')
      if (given.json) printJson({ keys, findings })
      else
        print(
          findings.length > 0
            ? `${keysTable(keys)}\n\n${findingsReport(findings)}`
            : keysTable(keys),
        )
      if (findings.length > 0) terminal.fail(findings)
    })
}

function custodyOf(given: CommonOptions, { show, now }: Terminal): Custody {
  const { keys, environment, role } = given
  const { baseUrl, environments } = readSettings(given.settings, show)
  const url = keySetUrl(baseUrl, environments[environment].path)
  return { keys, environment, role, url, show, now: now() }
}
