import { shown } from '../../keys-pipeline/errors.ts'
import { hung, span } from '../../keys-pipeline/words.ts'
import type { Revoked, Trust } from '../keys/orders.ts'
import type { KeyLine, KeyOverview, ReplicaLine, StepLine } from '../keys/overview.ts'

const TITLE = 12
/** Upstreams that are named before the rest is counted. */
const MOST_NAMED = 5

/** For a terminal of 100 columns. `now` in milliseconds since the epoch. */
export function keysReport(environments: readonly KeyOverview[], now: number): string {
  const parts = environments.map(each => [
    `${each.environment}: ${each.jwksUrl ?? 'not watched, since there is no jwksUrl'}`,
    ...(each.keys.length === 0 ? ['no key'] : each.keys.flatMap(key => keyLines(key, now))),
    ...each.steps.flatMap(stepLines),
    ...each.replicas.flatMap(replica => replicaLines(replica, now)),
  ])
  return parts.map(lines => lines.join('\n')).join('\n\n')
}

function keyLines(key: KeyLine, now: number): string[] {
  const { kid, alg, role, here, state, since, signsFor, waitsFor } = key
  const facts = [
    ...(role === 'standby' && state !== 'standby' ? ['standby'] : []),
    ...(since === null ? [] : [`since ${since} (${span((now - Date.parse(since)) / 1000)})`]),
    ...(signsFor > 0 ? [`signs for ${signsFor}`] : []),
    ...(here ? [] : ['its private half is elsewhere']),
  ]
  return [
    ...hung(state, `${shown(kid)}, ${alg}: ${facts.join('; ') || 'nothing known'}`, TITLE),
    ...waitsFor.flatMap(({ says, upstreams, until }) => {
      const time =
        until === null ? '' : ` until ${until} (${span((Date.parse(until) - now) / 1000)} more)`
      return hung('', `waits for ${says}${named(upstreams)}${time}`, TITLE)
    }),
  ]
}

function replicaLines({ id, is, heardAt, rotates, lacks }: ReplicaLine, now: number): string[] {
  const facts = [
    is === 'here' ? 'this one' : `${IS[is]} ${span((now - Date.parse(heardAt)) / 1000)} ago`,
    ...(rotates ? ['carries rotations on'] : []),
  ]
  const unheard = lacks.map(kid => `has not acknowledged that ${shown(kid)} is revoked`)
  return hung('broker', `${shown(id)}: ${[...facts, ...unheard].join('; ')}`, TITLE)
}

const IS: Readonly<Record<Exclude<ReplicaLine['is'], 'here'>, string>> = {
  heard: 'heard of',
  silent: 'silent, heard of',
  left: 'ended',
  gone: 'waited for no longer, heard of',
}

function named(upstreams: readonly string[]): string {
  if (upstreams.length === 0) return ''
  const rest = upstreams.length - MOST_NAMED
  const first = upstreams.slice(0, MOST_NAMED).map(shown).join(', ')
  return ` (${first}${rest > 0 ? ` and ${rest} more` : ''})`
}

function stepLines({ do: what, about, waitsFor }: StepLine): string[] {
  const next = `${what} ${shown(about)}`
  if (waitsFor === null) return hung('next', next, TITLE)
  const { code, says, facts } = waitsFor
  const { commands, ...others } = facts
  const known = Object.entries(others).map(([name, value]) => `; ${name} ${shown(`${value}`)}`)
  return [
    ...hung('waits', `${next}: ${says} (${code}${known.join('')})`, TITLE),
    // As they are, to be copied.
    ...(typeof commands === 'string' ? commands.split('\n').map(shown) : []),
  ]
}

/** What was done, and who trusts the key for how long. */
export function revokedReport(revoked: Revoked, now: number): string {
  const { kid, environment, at, isSaved, promoted, begun, isLive, upstreams } = revoked
  const [pinned, fetching] = [true, false].map(is => upstreams.filter(each => each.isPinned === is))
  const without = upstreams.filter(each => each.kid === null)
  return [
    `✓ ${shown(kid)} of ${environment} signs nothing more, since ${new Date(at).toISOString()}`,
    ...(isSaved
      ? []
      : ['✗ it could not be saved: a restart would forget it. Mend the state folder.']),
    ...otherBrokers(revoked, now),
    ...promoted.map(each => `✓ standby ${shown(each)} signs now`),
    ...begun.map(({ alg, role }) => `✓ a new ${role} key (${alg}) is begun`),
    ...(without.length > 0
      ? [`✗ no key signs for ${without.length}${named(without.map(({ id }) => id))}`]
      : []),
    isLive
      ? 'It is in the live set. Its removal is proposed as an emergency: merge it now.'
      : 'It is not in the live set.',
    ...trusted(fetching ?? []),
    ...(pinned ?? []).map(
      ({ id }) =>
        `CALL ${shown(id)}: it has loaded the key by hand and trusts it until it takes it out`,
    ),
  ].join('\n')
}

function otherBrokers({ untold, replicas }: Revoked, now: number): string[] {
  const said = replicas.map(({ id, at, isGiven }) =>
    isGiven
      ? `✓ broker ${shown(id)} signs nothing with it either`
      : `✗ broker ${shown(id)} has not acknowledged it, heard of ${span((now - at) / 1000)} ago`,
  )
  if (untold !== null)
    said.push(`✗ other brokers cannot be told (${shown(untold)}): mend sharedCache, then again`)
  else if (replicas.some(({ isGiven }) => !isGiven))
    said.push('Order it again until all have; stop a broker that cannot be reached.')
  return said
}

function trusted(upstreams: readonly Trust[]): string[] {
  const bySeconds = Map.groupBy(upstreams, ({ trustsFor }) => trustsFor ?? 0)
  return [...bySeconds].map(([seconds, some]) => {
    const who = named(some.map(({ id }) => id))
    return `${some.length} of the EHRs may trust it for ${span(seconds)} after its removal is live${who}`
  })
}
