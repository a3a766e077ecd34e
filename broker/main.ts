import { hostname } from 'node:os'
import { resolve } from 'node:path'
import process from 'node:process'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { keepCompiled } from '../keys-pipeline/keep-compiled.ts'
import type { Audit } from './audit.ts'
import type { Config } from './config.ts'
import type { Complaint } from './config-rules.ts'
import type { StateFolder } from './keys/state-file.ts'
import type { Signers } from './signers.ts'
import type { WebProxy } from './upstream/connections.ts'

// What is imported above is compiled anew at each start, what is imported below once.
keepCompiled()
const { pino } = await import('pino')
const { buildApp } = await import('./app.ts')
const { openAuditFile } = await import('./audit.ts')
const { systemClock } = await import('./clock.ts')
const { ConfigError, readConfigWith } = await import('./config.ts')
const { fingerprintOf } = await import('./fingerprint.ts')
const { storeFaults } = await import('./launch-work.ts')
const { frozenFaults, openReload } = await import('./reload.ts')
const { startSchedule } = await import('./schedule.ts')
const { claimState, loadSigners } = await import('./signers.ts')
const { NO_TRACES, openTraces } = await import('./traces.ts')
const { clearSocket } = await import('./unix-socket.ts')

/** EX_CONFIG of sysexits.h: a supervisor should not start it again before somebody mends the config. */
const EX_CONFIG = 78

const LISTEN_FAULTS = new Set(['EADDRINUSE', 'EACCES', 'EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN'])

const USAGE =
  'npm start -- --config FILE   starts the broker; make a first config with: npm run -s broker -- init'

/** Milliseconds beyond the longest deadline that requests under way have when the process is asked to stop. */
const GRACE = 2_000

async function start(path: string): Promise<void> {
  // Told of a new config during the start, we take it when that is done; unheard, the signal would end us.
  const hangUp = {
    wasTold: false,
    heed: (): void => {
      hangUp.wasTold = true
    },
  }
  process.on('SIGHUP', () => hangUp.heed())
  const log = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime })
  const opened: { audit?: Audit; states?: StateFolder; signers: Signers } = { signers: new Map() }
  const config = await readConfigWith(path, async candidate => {
    const { signers, complaints } = await loadSigners(candidate)
    opened.signers = signers
    return [
      ...complaints,
      ...openAudit(candidate.audit, opened),
      ...openState(candidate, opened, log),
      ...storeFaults(candidate, systemClock),
    ]
  })
  const { audit, signers, states } = opened
  let current = config
  if (audit === undefined || states === undefined)
    throw new Error('a config without complaints has its audit and its state open')
  const { app, admin, metrics, launch, abort, ticks, take, refuse } = buildApp(config, {
    clock: systemClock,
    chance: Math.random,
    wait: milliseconds => wait(milliseconds),
    proxy: proxyIn(process.env),
    audit,
    log,
    signers,
    states,
    host: hostname(),
    traces:
      config.traces === null
        ? NO_TRACES
        : await openTraces(config.traces, {
            onFailing: () => log.warn('the collector does not take our traces'),
          }),
  })
  const reload = openReload({
    fingerprint: () => fingerprintOf(current.sources),
    load: async () => {
      const next = await readNext(path, current)
      take(next.config, next.signers)
      current = next.config
    },
    onTaken: () => log.info({ config: current.generation }, 'new config taken'),
    onKept: error => {
      log.error(keptFacts(error), 'the config is not taken; the one before goes on')
      refuse(error instanceof ConfigError ? error.complaints.slice(0, MOST_COMPLAINTS) : [])
    },
  })
  await listenAt(app, config.listen, OF_ITS_GROUP)
  await listenAt(admin, { ...config.admin, host: '127.0.0.1' }, OF_ITS_OWNER)
  if (launch && config.launch) await listenAt(launch, config.launch.listen, OF_ITS_GROUP)
  if (metrics && config.metrics)
    await metrics.listen({ host: config.metrics.host, port: config.metrics.port })
  hangUp.heed = () => void reload.now()
  if (hangUp.wasTold) hangUp.heed()
  const all = [...ticks, { name: 'config', tick: reload.tick }]
  const unschedule = startSchedule(all, systemClock, (name, error) =>
    log.error(
      { tick: name, error: error instanceof Error ? error.name : 'unknown' },
      'tick failed',
    ),
  )
  log.info(
    {
      issuer: config.issuer,
      upstreams: config.upstreams.size,
      disabled: config.disabled.size,
      services: config.services.size,
    },
    'ready',
  )

  const stop = (signal: string): void => {
    log.info({ signal }, 'stopping: requests under way are answered first')
    for (const again of ['SIGTERM', 'SIGINT'] as const) process.once(again, () => process.exit(1))
    const longest = Math.max(0, ...[...current.upstreams.values()].map(each => each.deadline))
    const late = setTimeout(
      () => {
        log.warn('stopping: calls to EHRs took too long and are ended')
        void abort()
        setTimeout(() => process.exit(1), GRACE).unref()
      },
      longest * 1000 + GRACE,
    )
    void unschedule()
    void Promise.all([app.close(), admin.close(), metrics?.close(), launch?.close()]).then(() => {
      clearTimeout(late)
      // It must be held until here: one that nobody could close any more would be let go of.
      states.close()
      log.info('stopped')
    })
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop)
}

/** The config as it is now, with its keys. @throws ConfigError with every complaint */
async function readNext(
  path: string,
  before: Config,
): Promise<{ config: Config; signers: Signers }> {
  let signers: Signers = new Map()
  const config = await readConfigWith(path, async candidate => {
    const loaded = await loadSigners(candidate)
    signers = loaded.signers
    return [...loaded.complaints, ...frozenFaults(before, candidate)]
  })
  return { config, signers }
}

function keptFacts(error: unknown): object {
  if (error instanceof ConfigError)
    return { code: error.code, complaints: error.complaints.slice(0, MOST_COMPLAINTS) }
  return { code: 'internal', error: error instanceof Error ? error.name : 'unknown' }
}

/** What one line of the log should bear, and a page; `npm start` with the same config shows them all. */
const MOST_COMPLAINTS = 20

/** Modes of sockets, as what umask takes away. */
const OF_ITS_GROUP = 0o117
const OF_ITS_OWNER = 0o177

/** On a socket, or on an address and a port. */
async function listenAt(
  app: FastifyInstance,
  { socket, host, port }: { socket: string | null; host: string; port: number | null },
  umask: number,
): Promise<void> {
  if (socket === null) {
    await app.listen({ host, port: port ?? 0 })
    return
  }
  await clearSocket(socket)
  const before = process.umask(umask)
  try {
    await app.listen({ path: socket })
  } finally {
    process.umask(before)
  }
}

function openAudit(
  { file, fsync }: { file: string; fsync: boolean },
  opened: { audit?: Audit },
): Complaint[] {
  try {
    opened.audit = openAuditFile(file, { sync: fsync })
    return []
  } catch (error) {
    return [
      {
        at: '/audit/file',
        message: `${file} cannot be written (${(error as NodeJS.ErrnoException).code})`,
      },
    ]
  }
}

function openState(config: Config, opened: { states?: StateFolder }, log: Logger): Complaint[] {
  const { states, complaints } = claimState(config, systemClock, log)
  if (states !== null) opened.states = states
  return complaints
}

/** In capitals or not, as other programs read them. */
function proxyIn(env: NodeJS.ProcessEnv): WebProxy | null {
  const url = env['HTTPS_PROXY'] || env['https_proxy']
  return url ? { url, except: env['NO_PROXY'] || env['no_proxy'] || '' } : null
}

function configPath(): string | null {
  const { values } = parseArgs({
    options: { config: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  })
  if (values.help) {
    process.stdout.write(`${USAGE}\n`)
    process.exit(0)
  }
  return values.config === undefined
    ? null
    : resolve(process.env['INIT_CWD'] ?? process.cwd(), values.config)
}

try {
  const path = configPath()
  if (path === null) {
    process.stderr.write(`There is no config. ${USAGE}\n`)
    process.exitCode = EX_CONFIG
  } else await start(path)
} catch (error) {
  const { code, message, syscall } = error as NodeJS.ErrnoException
  if (error instanceof ConfigError) {
    process.stderr.write(`${message}\n`)
    process.exitCode = EX_CONFIG
  } else if (code?.startsWith('ERR_PARSE_ARGS')) {
    process.stderr.write(`${message}\n${USAGE}\n`)
    process.exitCode = 2
  } else if (syscall === 'listen' || LISTEN_FAULTS.has(code ?? '')) {
    process.stderr.write(
      `The address to listen on cannot be had (${code}): see listen, admin and metrics in the config. Is another broker running, or a socket’s folder missing?\n`,
    )
    // One of the two listeners may be up already.
    process.exit(EX_CONFIG)
  } else throw error
}
