import { homedir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import process from 'node:process'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { addKeys, type Custody } from './add.ts'
import { ALGS, type Alg, DEFAULT_ALG } from './algorithms.ts'
import { type Finding, PipelineError, shown } from './errors.ts'
import { generateKey } from './generate.ts'
import { CACHE } from './headers.ts'
import { ENVIRONMENTS, type Environment } from './key-set.ts'
import { build, judgeKeys, judgePaths } from './pipeline.ts'
import { readList, readTemplates } from './read.ts'
import {
  builtReport,
  checkSummary,
  findingsReport,
  generatedReport,
  keysTable,
  listedKeys,
} from './report.ts'
import { readSettings } from './settings.ts'

/** npm runs scripts in the project's folder; INIT_CWD is where the user stands. */
const here = process.env['INIT_CWD'] ?? process.cwd()
const project = dirname(import.meta.dirname)
const path = (given: string): string => resolve(here, given)
const show = (full: string): string => {
  const short = relative(here, full)
  return short === '' || short.startsWith('..') ? full : short
}

const print = (text: string): void => void process.stdout.write(`${text}\n`)
/** In ASCII: names from outside must not play with the terminal or log that shows the document. */
const printJson = (value: unknown): void =>
  print(
    JSON.stringify(value).replace(
      /[\x7f-\uffff]/g,
      char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
    ),
  )

const keysOption = () =>
  new Option('--keys <folder>', 'folder with production/ and nonprod/')
    .default(join(project, 'keys-pipeline', 'keys'), 'keys-pipeline/keys')
    .argParser(path)
const outOption = () =>
  new Option('--out <folder>', 'folder of the built site')
    .default(join(project, 'site', 'out'), 'site/out')
    .argParser(path)
const settingsOption = () =>
  new Option('--settings <file>', 'URLs and guard times')
    .default(join(project, 'keys-pipeline', 'publisher.yaml'), 'keys-pipeline/publisher.yaml')
    .argParser(path)
const jsonOption = () => new Option('--json', 'one JSON document on standard output')
const environmentOption = () =>
  new Option('--environment <name>', 'which key set').choices(ENVIRONMENTS)
const roleOption = () =>
  new Option('--role <role>', 'a standby signs only after the signer is revoked')
    .choices(['signer', 'standby'])
    .default('signer')

function portNumber(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
    throw new InvalidArgumentError('It must be a port, 0 to 65535.')
  return Number(text)
}

const program = new Command('keys')
  .description('Publishes public keys as static JWKS files. Never prints a private key.')
  .exitOverride()
  .configureHelp({ showGlobalOptions: true })
  .addHelpText(
    'after',
    '\nExit status: 0 good, 1 findings, 2 usage. Every finding code: keys-pipeline/README.md',
  )

program
  .command('generate')
  .description(
    'make a key pair: the private half outside the checkout (0600), the public half into the keys folder',
  )
  .addOption(environmentOption().default('nonprod'))
  .addOption(new Option('--alg <alg>', 'signature algorithm').choices(ALGS).default(DEFAULT_ALG))
  .addOption(
    new Option('--bits <bits>', 'size of an RSA key')
      .choices(['2048', '3072', '4096'])
      .default('3072'),
  )
  .option('--kid <kid>', 'key ID (default: the RFC 7638 thumbprint)')
  .addOption(roleOption())
  .option(
    '--private-folder <folder>',
    'where the private half goes (default: ~/.lockstep/<environment>)',
    path,
  )
  .addOption(keysOption())
  .addOption(jsonOption())
  .action((options: GenerateOptions) => {
    const privateFolder = options.privateFolder ?? join(homedir(), '.lockstep', options.environment)
    const made = generateKey(
      { alg: options.alg, bits: Number(options.bits), kid: options.kid, privateFolder },
      custodyOf(options),
    )
    if (options.json) return printJson(made)
    print(generatedReport(made, options.environment))
  })

program
  .command('add')
  .description('add the public keys of a file (PEM, certificate, JWK or JWKS) to an environment')
  .argument('<file>', 'the file', path)
  .addOption(environmentOption().makeOptionMandatory())
  .option('--kid <kid>', 'keep this key ID, which is registered already')
  .addOption(
    new Option('--alg <alg>', 'keep this algorithm, which is registered already').choices(ALGS),
  )
  .addOption(roleOption())
  .addOption(keysOption())
  .addOption(jsonOption())
  .action((file: string, options: AddOptions) => {
    const added = addKeys(file, { kid: options.kid, alg: options.alg }, custodyOf(options))
    if (options.json) return printJson({ added })
    for (const key of added) print(`✓ ${key.alg}, ${key.bits} bits, kid ${key.kid}\n  ${key.file}`)
  })

program
  .command('list')
  .description('show the keys of both environments')
  .addOption(keysOption())
  .addOption(jsonOption())
  .action((options: { keys: string; json?: true }) => {
    const judgement = judgeKeys(options.keys, show)
    const keys = ENVIRONMENTS.flatMap(name => listedKeys(name, judgement.environments[name]))
    const findings = judgement.findings.filter(each => each.code !== 'set_empty')
    if (options.json) printJson({ keys, findings })
    else
      print(
        findings.length > 0 ? `${keysTable(keys)}\n\n${findingsReport(findings)}` : keysTable(keys),
      )
    if (findings.length > 0) process.exitCode = 1
  })

program
  .command('check')
  .description('judge the keys folder, or any files and folders, and write nothing')
  .argument('[paths...]', 'key files, JWKS files and folders (recursively); none: the keys folder')
  .option(
    '--files-from <file>',
    'read more paths from a file, one a line or NUL-separated; - is standard input',
  )
  .addOption(keysOption())
  .addOption(jsonOption())
  .action((paths: string[], options: { keys: string; json?: true; filesFrom?: string }) => {
    const named = [
      ...paths,
      ...(options.filesFrom === undefined ? [] : listFrom(options.filesFrom)),
    ]
    const lint = paths.length > 0 || options.filesFrom !== undefined
    const { findings, files, keys } = lint
      ? judgePaths(named.map(path), show)
      : judgeKeys(options.keys, show)
    if (options.json) printJson({ findings, files, keys })
    else {
      if (findings.length > 0) print(findingsReport(findings))
      print(checkSummary({ findings, files, keys }))
    }
    if (findings.length > 0) process.exitCode = 1
  })

program
  .command('build')
  .description('turn the keys folder into the site, whole or not at all')
  .addOption(keysOption())
  .addOption(outOption())
  .addOption(settingsOption())
  .addOption(
    new Option('--commit <sha>', 'the commit that publication.json names').env('GITHUB_SHA'),
  )
  .addOption(jsonOption())
  .action((options: BuildOptions) => {
    const settings = readSettings(options.settings, show)
    const site = build({
      ...options,
      settings,
      templates: readTemplates(join(project, 'site')),
      commit: options.commit ?? null,
      show,
    })
    const published = ENVIRONMENTS.map(name => settings.environments[name].path).filter(each =>
      site.has(each),
    )
    if (options.json) return printJson({ out: options.out, files: [...site.keys()], published })
    print(builtReport(site, settings, show(options.out)))
  })

program
  .command('serve')
  .description(
    'serve the built site over HTTP, or HTTPS with --cert and --tls-key; the access log goes to standard output',
  )
  .option('--host <address>', 'address to listen on', '127.0.0.1')
  .option('--port <port>', 'port to listen on, 0 for a free one', portNumber, 8080)
  .option('--cert <file>', 'certificate chain, PEM', path)
  .option('--tls-key <file>', 'private key of the certificate, PEM', path)
  .option('--dev', 'build in memory, no-store; with no nonprod key, make one that is thrown away')
  .addOption(outOption())
  .addOption(keysOption())
  .addOption(settingsOption())
  .action(serve)

async function serve(options: ServeOptions): Promise<void> {
  if ((options.cert === undefined) !== (options.tlsKey === undefined)) {
    throw new CommanderError(2, 'usage', 'error: --cert and --tls-key go together')
  }
  // Only here: the web framework takes longer to load than a thousand keys to judge.
  const { buildServer, devSite, listenOn, readIdentity, readSite } = await import('./serve.ts')
  const readDevSite = () =>
    devSite(
      judgeKeys(options.keys, show),
      readSettings(options.settings, show),
      readTemplates(join(project, 'site')),
      note,
    )
  const server = await buildServer(options.dev ? readDevSite() : readSite(options.out, show), {
    cache: options.dev ? CACHE.dev : CACHE.published,
    tls:
      options.cert && options.tlsKey ? readIdentity(options.cert, options.tlsKey, show) : undefined,
    now: Date.now,
    log: printJson,
  })
  note(`serving ${await listenOn(server, options.host, options.port)}/ (Ctrl-C stops)`)
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void server.close())
}

interface CommonOptions {
  environment: Environment
  role: Custody['role']
  keys: string
  json?: true
}
type GenerateOptions = CommonOptions & {
  alg: Alg
  bits: string
  kid?: string
  privateFolder?: string
}
type AddOptions = CommonOptions & { kid?: string; alg?: Alg }
type BuildOptions = { keys: string; out: string; settings: string; commit?: string; json?: true }
type ServeOptions = Omit<BuildOptions, 'commit'> & {
  host: string
  port: number
  cert?: string
  tlsKey?: string
  dev?: true
}

const custodyOf = ({ keys, environment, role }: CommonOptions): Custody => ({
  keys,
  environment,
  role,
  now: Date.now(),
  show,
})

const note = (text: string): void => void process.stderr.write(`${text}\n`)

function listFrom(file: string): string[] {
  const refuse = (why: string) =>
    new CommanderError(2, 'usage', `error: --files-from ${shown(file)} ${why}`)
  let list: string[] | null
  try {
    list = readList(file === '-' ? 0 : path(file))
  } catch {
    throw refuse('cannot be read')
  }
  if (list === null) throw refuse('is a private key, not a list of paths')
  return list
}

/** Findings to whoever asked; anything else is a bug and keeps its stack. */
function fail(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.code === 'usage') note(error.message)
    return error.exitCode === 0 ? 0 : 2
  }
  if (!(error instanceof PipelineError)) throw error
  const findings: readonly Finding[] = error.findings
  if (process.argv.includes('--json')) printJson({ findings })
  else note(findingsReport(findings))
  return 1
}

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = fail(error)
}
