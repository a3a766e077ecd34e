import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as after } from 'node:timers/promises'
import { pino } from 'pino'
import { buildApp } from '../../../broker/app.ts'
import { openAuditFile } from '../../../broker/audit.ts'
import { readConfig } from '../../../broker/config.ts'
import { openStateFolder } from '../../../broker/keys/state-file.ts'
import { loadSigners } from '../../../broker/signers.ts'
import { NO_TRACES } from '../../../broker/traces.ts'
import { makeAssertion } from '../../../broker/upstream/assertion.ts'
import { openConnections } from '../../../broker/upstream/connections.ts'
import type { Reply } from '../../../broker/upstream/token-endpoint.ts'
import type { Upstream } from '../../../broker/upstream/upstream.ts'
import { movedClock } from '../../support/clock.ts'
import { say } from '../../support/console.ts'

/**
 * An hour of the broker whose config is in that folder, in moved time, with every tick of its schedule:
 * `hour.ts <folder>`. All its upstreams are to be kept warm by tokens of an hour. Prints the CPU that the hour took, by
 * tick, and what as many signatures alone and as many calls alone take, in seconds, as JSON.
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
const AT_ONCE = 400
async function cpuOf(work: (upstream: Upstream) => Promise<unknown>, some: readonly Upstream[]) {
  const before = process.cpuUsage()
  for (let at = 0; at < some.length; at += AT_ONCE)
    await Promise.all(some.slice(at, at + AT_ONCE).map(work))
  return used(before)
}
const assertionFor = (upstream: Upstream): Promise<string> =>
  makeAssertion(upstream, signer.key, clock.now(), randomUUID())
const connections = openConnections()
const [first] = upstreams
if (first === undefined) throw new Error('there is no upstream')
const form = new URLSearchParams({
  ...{ grant_type: 'client_credentials', scope: first.scopes.join(' ') },
  ...{ client_assertion_type: 'jwt-bearer', client_assertion: await assertionFor(first) },
})
const call = (upstream: Upstream): Promise<Reply> =>
  connections.postFor(upstream)(upstream.tokenEndpoint, form, upstream.deadline)
const issued = async (): Promise<number> =>
  Number(await (await fetch(new URL('/calls', first.tokenEndpoint))).text())

await go(WARMED)
const halves = [upstreams.slice(0, upstreams.length / 2), upstreams.slice(upstreams.length / 2)]
const [one = [], other = []] = halves
const [signedBefore, calledBefore] = [await cpuOf(assertionFor, one), await cpuOf(call, one)]
for (const name of spent.keys()) spent.set(name, 0)
const began = await issued()
await go(HOUR)
const hour = Object.fromEntries(spent)
const refreshed = (await issued()) - began
const alone = signedBefore + (await cpuOf(assertionFor, other))
const calls = calledBefore + (await cpuOf(call, other))
say(JSON.stringify({ hour, refreshed, alone, calls }))
await connections.close()
await app.close()
states.close()
