import { setTimeout as wait } from 'node:timers/promises'
import type { Fault, Planned } from './plan.ts'
import type { SoakWorld } from './world.ts'

/** Milliseconds. An EHR that is asked less often than that keeps no old key. */
const LONG_AGO = 80_000
/** Milliseconds that a broker takes to load its keys anew. */
const LOADS = 1_000

/** Carries the faults out, each at its time; those of one kind never overlap. */
export async function actOut(
  plan: readonly Planned[],
  world: SoakWorld,
  { since, tell }: { since: () => number; tell: (line: string) => void },
): Promise<Record<string, number>> {
  const queues = new Map<string, Promise<void>>()
  const done: Record<string, number> = {}
  for (const planned of plan) {
    await wait(Math.max(0, (planned.at - since()) * 1000))
    const { kind, lasts } = planned
    const before = queues.get(kind) ?? Promise.resolve()
    queues.set(
      kind,
      before.then(async () => {
        tell(wordsFor(planned))
        const settle = await begin(planned, world)
        if (settle === null) return
        await wait(lasts * 1000)
        await settle()
      }),
    )
    done[kind] = (done[kind] ?? 0) + 1
  }
  await Promise.all(queues.values())
  return done
}

/** Returns how it is undone; null where it is over. */
async function begin(fault: Fault, world: SoakWorld): Promise<(() => unknown) | null> {
  const { ehrs, redis, policies, replicas, configure, timeline } = world
  switch (fault.kind) {
    case 'keys':
      return changeKeys(world)
    case 'ehr':
      ehrs.fail(fault.nth, fault.failure)
      return () => ehrs.fail(fault.nth, null)
    case 'redis': {
      const isBack = timeline.begin('redis')
      if (fault.isFrozen) redis.freeze()
      else await redis.kill()
      return async () => {
        if (fault.isFrozen) redis.thaw()
        else await redis.start()
        isBack()
      }
    }
    case 'reload':
      policies.change()
      configure(fault.isTold)
      return null
    case 'clock': {
      const set = (hours: number) =>
        Promise.all(fault.on.map(each => replicas[each].setClock(hours)))
      const ends = fault.on.map(each => timeline.begin(`clock ${each}`))
      await set(fault.hours)
      return async () => {
        await set(0)
        for (const end of ends) end()
      }
    }
    case 'disk':
      return replicas[fault.on].fillDisk()
    case 'restart':
      await replicas[fault.on].restart(fault.isKilled)
      return null
  }
}

/** The oldest goes where it has not signed for a while; then a new one comes. */
async function changeKeys({ keys, ehrs, replicas }: SoakWorld): Promise<null> {
  const reload = async (): Promise<void> => {
    for (const each of Object.values(replicas)) each.hup()
    await wait(LOADS)
  }
  const newest = keys.all().at(-1)
  const now = performance.now()
  const isAtRest = [...ehrs.signed.values()].every(
    ({ kid, at }) => kid === newest || now - at > LONG_AGO,
  )
  if (keys.all().length > 1 && isAtRest) {
    const { publish } = keys.withdraw()
    await reload()
    publish()
  }
  keys.add()
  await reload()
  return null
}

function wordsFor(planned: Planned): string {
  const { at, lasts, ...fault } = planned
  const isLong = !['keys', 'reload', 'restart'].includes(fault.kind)
  const { kind, ...rest } = fault
  const details = Object.entries(rest).map(([name, value]) => `${name} ${value}`)
  return [`${kind}`, ...details, ...(isLong ? [`for ${lasts.toFixed(1)} s`] : [])].join(', ')
}
