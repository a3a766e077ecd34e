/**
 * Loaded with `node --expose-gc --import`: on SIGUSR2 the process lets go of all garbage, and writes what it then holds, in
 * bytes, as a line of JSON.
 */
import process from 'node:process'
import { setTimeout as after } from 'node:timers/promises'
import { say } from '../../support/console.ts'

/** Milliseconds. What ends with a timer is no garbage before: idle connections do after four or five seconds. */
const TIMERS = 6_000
const ROUNDS = 5

process.on('SIGUSR2', async () => {
  await after(TIMERS)
  for (let nth = 0; nth < ROUNDS; nth++) {
    await globalThis.gc?.({ type: 'major', execution: 'async', flavor: 'last-resort' })
    await after(100)
  }
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage()
  say(JSON.stringify({ settled: { rss, heap: heapUsed + external, arrayBuffers } }))
})
