import { resolve } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { pino } from 'pino'
import { buildApp, loadSigners } from './app.ts'
import { openAuditFile } from './audit.ts'
import { systemClock } from './clock.ts'
import { ConfigError, readConfig } from './config.ts'

/** EX_CONFIG of sysexits.h: a supervisor should not start it again before somebody mends the config. */
const EX_CONFIG = 78

const USAGE =
  'npm start -- --config FILE   starts the broker; make a first config with: npm run -s broker -- init'

/** Milliseconds that requests under way have when the process is asked to stop. */
const GRACE = 10_000

async function start(path: string): Promise<void> {
  const config = readConfig(path)
  const { signers, complaints } = loadSigners(config)
  if (complaints.length > 0) {
    throw new ConfigError(
      path,
      complaints.map(each => ({ ...each, line: null })),
    )
  }
  const log = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime })
  const audit = openAudit(path, config.audit)
  const app = buildApp(config, { clock: systemClock, chance: Math.random, audit, log, signers })
  await app.listen({ host: config.listen.host, port: config.listen.port })
  log.info(
    { issuer: config.issuer, upstreams: config.upstreams.size, services: config.services.size },
    'ready',
  )

  const stop = (signal: string): void => {
    log.info({ signal }, 'stopping: requests under way are answered first')
    // A second signal, or a request that outlasts the grace, ends it at once.
    for (const again of ['SIGTERM', 'SIGINT'] as const) process.once(again, () => process.exit(1))
    setTimeout(() => process.exit(1), GRACE).unref()
    void app.close().then(() => log.info('stopped'))
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop)
}

function openAudit(
  path: string,
  { file, fsync }: { file: string; fsync: boolean },
): ReturnType<typeof openAuditFile> {
  try {
    return openAuditFile(file, { sync: fsync })
  } catch (error) {
    const message = `${file} cannot be written (${(error as NodeJS.ErrnoException).code})`
    throw new ConfigError(path, [{ at: '/audit/file', message, line: null }])
  }
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
  const { code, message } = error as NodeJS.ErrnoException
  if (error instanceof ConfigError) {
    process.stderr.write(`${message}\n`)
    process.exitCode = EX_CONFIG
  } else if (code?.startsWith('ERR_PARSE_ARGS')) {
    process.stderr.write(`${message}\n${USAGE}\n`)
    process.exitCode = 2
  } else if (code === 'EADDRINUSE' || code === 'EACCES' || code === 'EADDRNOTAVAIL') {
    process.stderr.write(
      `The address to listen on cannot be had (${code}): see listen in the config.\n`,
    )
    process.exitCode = EX_CONFIG
  } else throw error
}
