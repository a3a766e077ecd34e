import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { openPublisher } from '../../broker/keys/publish.ts'
import { movedClock } from './clock.ts'
import { openEngine } from './rotation-engine.ts'

/**
 * A process that carries on the rotations of the folder ARGV[2] at the time ARGV[4], with GitHub at ARGV[3], until
 * nothing is left to do; `rotate` as ARGV[5] orders one where none is under way. It is killed before its nth request to
 * GitHub (KILL_REQUEST), or when the answer is there (KILL_ANSWER).
 */
const [, , folder = '', github = '', time = '', order = ''] = process.argv
const { KILL_REQUEST: before, KILL_ANSWER: behind } = process.env
let requests = 0
let answers = 0

const die = (): never => {
  process.kill(process.pid, 'SIGKILL')
  for (;;);
}
const counted: typeof globalThis.fetch = async (...asked) => {
  requests++
  if (`${requests}` === before) die()
  const answer = await fetch(...asked)
  answers++
  return `${answers}` === behind ? die() : answer
}
/** Neither waits: their clocks are not ours to move. */
const atOnce = { key: () => ({ schedule: (_: unknown, work: () => unknown) => work() }) } as never

const engine = openEngine({
  ...{ folder, clock: movedClock(Number(time)) },
  published: () => JSON.parse(readFileSync(join(folder, 'published.json'), 'utf8')),
  publisher: openPublisher(
    {
      ...{ repository: 'acme-health/keys', baseUrl: github, fetch: counted },
      throttle: { retryAfterBaseValue: 0, write: atOnce, notifications: atOnce } as never,
    },
    async () => 'a-token',
  ),
})
const { keys, orders, tick, codes } = engine
if (order === 'rotate' && keys.state().rotations.length === 0) await orders.rotate('nonprod', null)
await tick(6)
engine.stop()
process.stdout.write(`${JSON.stringify({ requests, codes: codes() })}\n`)
