import { join } from 'node:path'
import { type Command, CommanderError, InvalidArgumentError } from 'commander'
import { type LogLine, type ServeEvent, toLine } from '../access-log.ts'
import { devKey, devSite } from '../dev-site.ts'
import { shown } from '../errors.ts'
import { CACHE } from '../headers.ts'
import type { PublicKey } from '../jwk.ts'
import type { Network } from '../networks.ts'
import { judgeKeys } from '../pipeline.ts'
import { readTemplates } from '../read.ts'
import { changesBetween, lookAgain, readNewSite } from '../reload.ts'
import type { Site } from '../render.ts'
import type { Identity } from '../serve.ts'
import { readSettings } from '../settings.ts'
import { appendTo } from '../write.ts'
import { networksIn, secondsIn } from './option-values.ts'
import { optionsIn, type Terminal } from './terminal.ts'

interface ServeOptions {
  host: string
  port: number
  cert?: string
  tlsKey?: string
  trustProxy?: Network[]
  log?: string
  poll: number
  dev?: true
  out: string
  keys: string
  settings: string
}

/** `serve`: the site, for those who do not use Pages. */
export function serveCommand(program: Command, terminal: Terminal): void {
  const { path } = terminal
  const options = optionsIn(terminal)
  program
    .command('serve')
    .description(
      'serve the built site over HTTP, or HTTPS with --cert and --tls-key; a new build and a new certificate are taken by themselves',
    )
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <port>', 'port to listen on, 0 for a free one', portNumber, 8080)
    .option('--cert <file>', 'certificate chain, PEM', path)
    .option('--tls-key <file>', 'private key of the certificate, PEM', path)
    .option(
      '--trust-proxy <network>',
      'believe the X-Forwarded-For of proxies there (203.0.113.0/24); may be given several times',
      networksIn,
    )
    .option('--log <file>', 'access log; without it on standard output. SIGHUP opens it anew', path)
    .option(
      '--poll <seconds>',
      'how often to look for a new build or certificate',
      secondsIn(1, 99_999),
      5,
    )
    .option('--dev', 'build in memory, no-store; with no nonprod key, make one that is thrown away')
    .addOption(options.out())
    .addOption(options.keys())
    .addOption(options.settings())
    .action((given: ServeOptions) => serve(given, terminal))
}

async function serve(given: ServeOptions, terminal: Terminal): Promise<void> {
  const { cert, tlsKey } = given
  const { show, note, now } = terminal
  if ((cert === undefined) !== (tlsKey === undefined)) {
    throw new CommanderError(2, 'usage', 'error: --cert and --tls-key go together')
  }
  // Only here: the web framework takes longer to load than a thousand keys to judge.
  const { buildServer, listenOn, readIdentity, takeIdentity } = await import('../serve.ts')
  const { lineWriter } = await import('../line-writer.ts')
  const readSource = sourceOf(given, terminal)
  const identity = () => (cert && tlsKey ? readIdentity(cert, tlsKey, show) : undefined)
  let site = readSource(new Map()) ?? new Map()
  let tls = identity()
  if (given.log) appendTo(given.log, '', show, OWNER_ONLY)
  const tell = (event: ServeEvent): void => log({ time: new Date(now()).toISOString(), ...event })
  const lines = lineWriter(given.log ?? STANDARD_OUTPUT, {
    onTrouble: code => note(`the access log cannot be written (${code}); serving goes on`),
    onLost: count => tell({ event: 'lines_lost', count }),
  })
  const log = (line: LogLine): void => lines.write(toLine(line))
  const server = await buildServer(() => site, {
    cache: given.dev ? CACHE.dev : CACHE.published,
    ...{ tls, now, log, trusted: given.trustProxy ?? [] },
  })

  const lookForSite = lookAgain<Site>({
    read: () => readSource(site),
    take: next => {
      note(`new build: ${fewOf(changesBetween(site, next))}`)
      site = next
      tell({ event: 'site_replaced' })
    },
    keep: why => {
      note(`the build is not taken, the one before is served: ${shown(why.message)}`)
      tell({ event: 'site_kept', message: why.message })
    },
  })
  const lookForIdentity = lookAgain<Identity>({
    read: () => {
      const next = identity()
      return next && tls && !(next.cert.equals(tls.cert) && next.key.equals(tls.key)) ? next : null
    },
    take: next => {
      takeIdentity(server, next)
      tls = next
      note('new certificate')
      tell({ event: 'certificate_replaced' })
    },
    keep: why => {
      note(`the certificate is not taken, the one before is shown: ${shown(why.message)}`)
      tell({ event: 'certificate_kept', message: why.message })
    },
  })

  note(`serving ${await listenOn(server, given.host, given.port)}/ (Ctrl-C stops)`)
  const stopLooking = terminal.every(given.poll * 1000, () => {
    lookForSite()
    lookForIdentity()
  })
  // Without a log file SIGHUP means what it does to any program: the terminal is gone.
  if (given.log) terminal.onReopen(lines.reopen)
  terminal.onStop(() => {
    stopLooking()
    const stopWaiting = terminal.every(GRACE, () => server.server.closeAllConnections())
    void server.close().then(() => {
      stopWaiting()
      lines.end()
    })
  })
}

/** What is to be served, if it is another than the site before. */
function sourceOf(given: ServeOptions, terminal: Terminal): (before: Site) => Site | null {
  const { show, note } = terminal
  if (!given.dev) return before => readNewSite(given.out, before.get('publication.json'), show)
  let made: PublicKey | null = null
  const throwAwayKey = (): PublicKey => {
    if (made === null)
      note('dev: no nonprod key, so there is one that signs nothing and is gone when this stops')
    made ??= devKey()
    return made
  }
  return before => {
    const settings = readSettings(given.settings, show)
    const templates = readTemplates(join(terminal.project, 'site'))
    const next = devSite(judgeKeys(given.keys, show), settings, templates, throwAwayKey)
    return changesBetween(before, next).length > 0 ? next : null
  }
}

function fewOf(paths: readonly string[]): string {
  const more = paths.length > 3 ? ` and ${paths.length - 3} more` : ''
  return `${shown(paths.slice(0, 3).join(', '))}${more}`
}

/** The mode of the log: it tells who came from where. */
const OWNER_ONLY = 0o600
/** Milliseconds that requests have to end when the server is stopped. */
const GRACE = 10_000
const STANDARD_OUTPUT = 1

function portNumber(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) {
    throw new InvalidArgumentError('It must be a port, 0 to 65535.')
  }
  return Number(text)
}
