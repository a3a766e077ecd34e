import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { CLIENT_CORE, type Server } from './servers.ts'

const run = promisify(execFile)

export interface Load {
  connections: number
  /** Of the round. */
  seconds: number
  /** What each request bears; they are sent in turn. */
  requests: readonly { authorization?: string; body: string }[]
  /** Each request differs from every other by a parameter that means nothing. */
  isFresh?: boolean
  /** Milliseconds between an answer and the next request of its connection; 0: none. */
  pause?: number
}

export interface Round {
  /** Requests per second. */
  rate: number
  /** Milliseconds. */
  p50: number
  p99: number
  /** Answers that were not 2xx, and broken connections. */
  bad: number
  /** Of its one core, what the server used. */
  busy: number
}

/** One round of load by wrk, from a core of its own. */
export async function wrk(server: Server, load: Load): Promise<Round> {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-wrk-'))
  try {
    const script = join(folder, 'load.lua')
    writeFileSync(script, luaOf(load))
    const [began, used] = [performance.now(), server.cpu()]
    const { stdout } = await run('taskset', [
      ...['-c', `${CLIENT_CORE}`, 'wrk', '-t', '1', '-c', `${load.connections}`],
      ...['-d', `${load.seconds}s`, '--timeout', '20s', '-s', script],
      `${server.origin}/oauth2/token`,
    ])
    const busy = (server.cpu() - used) / ((performance.now() - began) / 1000)
    const figures: Omit<Round, 'busy'> = JSON.parse(stdout.slice(stdout.lastIndexOf('{"rate"')))
    return { ...figures, busy }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A number of always as many digits takes the place of the end of the body. */
const FRESH = `  fresh = fresh + 1
  return string.sub(requests[at], 1, -10) .. string.format("&n=%06d", fresh % 1000000)`

/** wrk takes whole milliseconds for a pause: fractions become chance. */
const luaOf = ({ requests, isFresh = false, pause = 0 }: Load): string => `
local requests = {}
local fresh = 0
function init(args)
${requests
  .map(
    ({ authorization, body }, at) =>
      `  requests[${at + 1}] = wrk.format("POST", nil, {["Content-Type"] = "application/x-www-form-urlencoded"${
        authorization === undefined ? '' : `, ["Authorization"] = ${JSON.stringify(authorization)}`
      }}, ${JSON.stringify(body)})`,
  )
  .join('\n')}
end
local at = 0
function request()
  at = at % #requests + 1
${isFresh ? FRESH : '  return requests[at]'}
end
${
  pause > 0
    ? `function delay()
  local whole = math.floor(${pause})
  if math.random() < ${pause} - whole then whole = whole + 1 end
  return whole
end`
    : ''
}
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('{"rate":%.3f,"p50":%.4f,"p99":%.4f,"bad":%d}\\n',
    summary.requests / (summary.duration / 1000000), latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
`
