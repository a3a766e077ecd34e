import { join } from 'node:path'
import { type Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { readSite } from '../built-site.ts'
import { CACHE } from '../headers.ts'
import { ENVIRONMENTS } from '../key-set.ts'
import { build, judgeKeys } from '../pipeline.ts'
import { readTemplates } from '../read.ts'
import { builtReport } from '../report.ts'
import { readSettings } from '../settings.ts'
import { optionsIn, type Terminal } from './terminal.ts'

type BuildOptions = { keys: string; out: string; settings: string; commit?: string; json?: true }
type ServeOptions = Omit<BuildOptions, 'commit'> & {
  host: string
  port: number
  cert?: string
  tlsKey?: string
  dev?: true
}

/** `build` and `serve`. */
export function siteCommands(program: Command, terminal: Terminal): void {
  const { print, printJson, path, show } = terminal
  const options = optionsIn(terminal)

  program
    .command('build')
    .description('turn the keys folder into the site, whole or not at all')
    .addOption(options.keys())
    .addOption(options.out())
    .addOption(options.settings())
    .addOption(
      new Option('--commit <sha>', 'the commit that publication.json names').env('GITHUB_SHA'),
    )
    .addOption(options.json())
    .action((given: BuildOptions) => {
      const { keys, out, commit = null } = given
      const settings = readSettings(given.settings, show)
      const site = build({ keys, out, settings, templates: templatesIn(terminal), commit, show })
      const published = ENVIRONMENTS.map(name => settings.environments[name].path).filter(each =>
        site.has(each),
      )
      if (given.json) printJson({ out, files: [...site.keys()], published })
      else print(builtReport(site, settings, show(out)))
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
    .addOption(options.out())
    .addOption(options.keys())
    .addOption(options.settings())
    .action((given: ServeOptions) => serve(given, terminal))
}

async function serve(given: ServeOptions, terminal: Terminal): Promise<void> {
  const { cert, tlsKey } = given
  const { show } = terminal
  if ((cert === undefined) !== (tlsKey === undefined)) {
    throw new CommanderError(2, 'usage', 'error: --cert and --tls-key go together')
  }
  // Only here: the web framework takes longer to load than a thousand keys to judge.
  const { buildServer, devSite, listenOn, readIdentity } = await import('../serve.ts')
  const readDevSite = () =>
    devSite(
      judgeKeys(given.keys, show),
      readSettings(given.settings, show),
      templatesIn(terminal),
      terminal.note,
    )
  const server = await buildServer(given.dev ? readDevSite() : readSite(given.out, show), {
    cache: given.dev ? CACHE.dev : CACHE.published,
    tls: cert && tlsKey ? readIdentity(cert, tlsKey, show) : undefined,
    now: terminal.now,
    log: terminal.printJson,
  })
  terminal.note(`serving ${await listenOn(server, given.host, given.port)}/ (Ctrl-C stops)`)
  terminal.onStop(() => void server.close())
}

const templatesIn = ({ project }: Terminal) => readTemplates(join(project, 'site'))

function portNumber(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) {
    throw new InvalidArgumentError('It must be a port, 0 to 65535.')
  }
  return Number(text)
}
