import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as after } from 'node:timers/promises'
import { pino } from 'pino'
import { buildApp } from '../../../broker/app.ts'
import { openAuditFile } from '../../../broker/audit.ts'
import { readConfig } from '../../../broker/config.ts'
import type { HeldKey } from '../../../broker/keys/environment.ts'
import { openStateFolder } from '../../../broker/keys/state-file.ts'
import { loadSigners } from '../../../broker/signers.ts'
import { NO_TRACES } from '../../../broker/traces.ts'
import { makeAssertion } from '../../../broker/upstream/assertion.ts'
import { movedClock } from '../../support/clock.ts'
import { say } from '../../support/console.ts'

/**
 * An hour of the broker whose config is in that folder, in moved time, with every tick of its schedule:
 * `hour.ts <folder>`. All its upstreams are to be kept warm by tokens of an hour. Prints the CPU that the hour took, by
 * tick, and what as many signatures alone take, in seconds, as JSON.
 */
const [folder = ''] = process.argv.slice(2)
/** As in broker/schedule.ts. */
const STEP = 5
const HOUR = 3600
/** The first fetches are spread over a minute. */
const WARMED = 90

const clock = movedClock(Date.now())
const config = readConfig(join(folder, 'broker.yaml'))
const { signers } = await loadSigners(config)
const states = openStateFolder(config.state, { now: clock.now, onSetAside: () => {} })
const { app, ticks } = buildApp(config, {
  ...{ clock: clock.clock, chance: Math.random, wait: (time: number) => after(time), proxy: null },
  audit: openAuditFile(config.audit.file, { sync: false }),
  log: pino({ level: 'silent' }),
  ...{ signers, states, host: 'bench', traces: NO_TRACES },
})
await app.ready()

const used = (since?: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(since)
  return (user + system) / 1e6
}
const spent = new Map<string, number>(ticks.map(({ name }) => [name, 0]))
async function go(seconds: number): Promise<void> {
  for (let at = 0; at < seconds; at += STEP) {
    clock.advance(STEP)
    for (const { name, tick } of ticks) {
      const before = process.cpuUsage()
      await tick()
      spent.set(name, (spent.get(name) ?? 0) + used(before))
    }
  }
}

const upstreams = [...config.upstreams.values()]
const [signer] = signers.get('nonprod') ?? []
if (signer === undefined) throw new Error('there is no key')
/** As many at once as a tick of that hour begins. */
async function signatures(count: number, { key }: HeldKey): Promise<number> {
  const before = process.cpuUsage()
  for (let at = 0; at < count; at += 400) {
    const some = upstreams.slice(at, Math.min(at + 400, count))
    await Promise.all(some.map(each => makeAssertion(each, key, clock.now(), randomUUID())))
  }
  return used(before)
}

await go(WARMED)
const warming = Object.fromEntries(spent)
for (const name of spent.keys()) spent.set(name, 0)
const half = Math.ceil(upstreams.length / 2)
const before = await signatures(half, signer)
await go(HOUR)
const hour = Object.fromEntries(spent)
const alone = before + (await signatures(half, signer))
say(JSON.stringify({ hour, warming, alone, signatures: 2 * half }))
await app.close()
states.close()
