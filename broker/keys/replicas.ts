import type { KeyFacts } from './key-facts.ts'
import { inUseBy, type Ledger, type ReplicaReport } from './retirement.ts'
import type { Choice } from './rotation.ts'
import type { KeyState } from './state.ts'
import type { OpenState } from './state-keeper.ts'
import { EXCUSED_AFTER } from './waves.ts'

/** What each replica tells the others of itself. Times are milliseconds since the epoch. */
export interface Report extends ReplicaReport {
  /** Of the process alone: a state folder that was copied has the same id. */
  instance: string
  /** From when on its ledger is complete. */
  since: number
  /** By thumbprint. */
  lastSigned: Readonly<Record<string, number>>
  /** Thumbprints of the keys that it can sign with. */
  usable: readonly string[]
  /** Thumbprints of the keys of which it knows, and will know after a restart, that they were revoked. */
  acknowledged: readonly string[]
  /** It has ended in peace, and signs nothing until it comes again. */
  hasLeft: boolean
}

/** Who carries rotations on. */
export interface Lease {
  /** Of a process; null where it was given back. */
  owner: string | null
  /** Another for each owner: what an earlier one still wants to write is refused. */
  number: number
  /** Another for each sign of life. */
  beat: number
}

/** What is under way, with a number that grows with each change. */
export type Work = Pick<KeyState, 'rotations' | 'proofs' | 'withdrawals'>

/** What all replicas of one environment know together. */
export interface Posted {
  lease: Lease | null
  work: Work & { revision: number }
  /** By thumbprint, for ever. */
  revoked: KeyState['revoked']
  /** Thumbprints of standbys that sign since a revocation. */
  promoted: readonly string[]
  /** By thumbprint, when each key was made: which is newer is for all to see alike. */
  created: KeyState['created']
  /** What the holder has seen, and from when on all is known that was signed: for one that has seen nothing yet. */
  seen: Pick<KeyState, 'url' | 'watched' | 'published' | 'since'> | null
  /** By id. */
  reports: Readonly<Record<string, Report>>
}

/**
 * What a replica says of itself. Whatever a restart could forget it does not acknowledge. Who is not signed for any more,
 * or never was to any end, brings no key back.
 */
export function reportOf(
  known: {
    facts: readonly KeyFacts[]
    choices: ReadonlyMap<string, Choice | null>
    upstreams: ReadonlyMap<string, unknown>
  },
  state: Pick<OpenState, 'records' | 'lastSigned' | 'fault'> & {
    parts: Pick<KeyState, 'since' | 'revoked'>
  },
  at: number,
): Omit<Report, 'id' | 'instance' | 'hasLeft'> {
  const { since, revoked } = state.parts
  const times = [...state.lastSigned.values()]
  const records = [...state.records].filter(
    ([id, { accepted }]) => known.upstreams.has(id) && Object.keys(accepted).length > 0,
  )
  return {
    ...{ at, since, inUse: inUseBy(known.choices, new Map(records)) },
    ...{ lastSigned: Object.fromEntries(state.lastSigned) },
    lastSignature: times.length === 0 ? null : Math.max(...times),
    usable: known.facts
      .filter(({ isHere, revokedAt }) => isHere && revokedAt === null)
      .map(({ thumbprint }) => thumbprint),
    acknowledged: state.fault() === null ? Object.keys(revoked) : [],
  }
}

export const NO_WORK: Posted['work'] = {
  ...{ revision: 0, rotations: [], proofs: {}, withdrawals: [] },
}

/** Milliseconds: longer than any report matters. */
const KEPT_FOR = 31 * 24 * 60 * 60 * 1000
/** Milliseconds after which nobody knows any more what a replica signs with. */
const STALE_AFTER = 5 * 60 * 1000

/**
 * What stands on the board together with what one remembers: nothing that was posted is lost by a store that forgets.
 * Where both know something it is what stands there: of a revocation and of the making of a key the first word, and of
 * each replica its own last word, whatever the clocks say.
 */
export function joined(first: Posted, second: Posted): Posted {
  return {
    lease: laterLease(first.lease, second.lease),
    work: second.work.revision > first.work.revision ? second.work : first.work,
    revoked: { ...second.revoked, ...first.revoked },
    promoted: [...new Set([...first.promoted, ...second.promoted])],
    created: { ...second.created, ...first.created },
    seen: first.seen ?? second.seen,
    reports: { ...second.reports, ...first.reports },
  }
}

function laterLease(first: Lease | null, second: Lease | null): Lease | null {
  if (first === null || second === null) return first ?? second
  const isLater =
    second.number > first.number || (second.number === first.number && second.beat > first.beat)
  return isLater ? second : first
}

/**
 * As its holder, or who would be that, leaves it. `isForsaken`: there was no sign of life for long. The number is a time,
 * so that it grows even where the store has forgotten who held it last.
 */
export function leaseAfter(
  lease: Lease | null,
  {
    owner,
    mayLead,
    isForsaken,
    now,
  }: { owner: string; mayLead: boolean; isForsaken: boolean; now: number },
): Lease | null {
  if (lease?.owner === owner)
    return { ...lease, owner: mayLead ? owner : null, beat: lease.beat + 1 }
  const isFree = lease === null || lease.owner === null || isForsaken
  const number = Math.max((lease?.number ?? 0) + 1, now)
  return mayLead && isFree ? { owner, number, beat: 0 } : lease
}

/** Without the reports that matter to nobody any more. */
export const withoutOld = (reports: Posted['reports'], now: number): Posted['reports'] =>
  Object.fromEntries(Object.entries(reports).filter(([, { at }]) => now - at < KEPT_FOR))

/** Whether it may sign any moment, as far as is known: it was heard of lately, and has not ended. */
export const counts = ({ at, lastSignature, hasLeft }: Report, now: number): boolean =>
  !hasLeft && now - Math.max(at, lastSignature ?? 0) < EXCUSED_AFTER

/**
 * What was signed by all replicas together. Of one that has been silent for a while nobody knows which key it signs
 * with.
 */
export function ledgerOf(
  own: Pick<Ledger, 'since' | 'lastSigned'>,
  others: readonly Report[],
  now: number,
): Ledger {
  const lastSigned: Record<string, number> = { ...own.lastSigned }
  for (const each of others)
    for (const [thumbprint, at] of Object.entries(each.lastSigned))
      lastSigned[thumbprint] = Math.max(at, lastSigned[thumbprint] ?? 0)
  return {
    since: Math.max(own.since, ...others.map(({ since }) => since)),
    lastSigned,
    replicas: others
      .filter(({ hasLeft }) => !hasLeft)
      .map(each => (isStale(each.at, now) ? { ...each, inUse: [] } : each)),
  }
}

/**
 * Whether every other replica can sign with the key. Who is silent for long is not waited for: without the new key it
 * would keep the old one from retirement when it comes again.
 */
export const canAllSign = (others: readonly Report[], thumbprint: string, now: number): boolean =>
  others.every(
    ({ at, hasLeft, usable }) => hasLeft || isStale(at, now) || usable.includes(thumbprint),
  )

const isStale = (at: number, now: number): boolean => now - at >= STALE_AFTER

/** Whether a replica that counts knows of the revocation. */
export interface Acknowledgement {
  id: string
  at: number
  isGiven: boolean
}

export const acknowledgements = (
  reports: readonly Report[],
  thumbprint: string,
  now: number,
): Acknowledgement[] =>
  reports
    .filter(each => counts(each, now))
    .map(({ id, at, acknowledged }) => ({ id, at, isGiven: acknowledged.includes(thumbprint) }))

/** How a replica does, as another one knows it. */
export interface Standing {
  id: string
  /** Milliseconds since the epoch. */
  heardAt: number
  /** `silent`: not heard of for some minutes. `gone`: nobody waits for it any more. */
  is: 'here' | 'heard' | 'silent' | 'left' | 'gone'
  /** Thumbprints of keys that were revoked, of which it has not acknowledged that. */
  lacks: readonly string[]
}

/** This replica and the others; none where nothing is shared. */
export function standings(
  own: string | null,
  others: readonly Report[],
  { revoked }: Pick<KeyState, 'revoked'>,
  now: number,
): Standing[] {
  if (own === null) return []
  const stops = Object.keys(revoked)
  return [
    { id: own, heardAt: now, is: 'here', lacks: [] },
    ...others
      .toSorted((a, b) => (a.id < b.id ? -1 : 1))
      .map((each): Standing => {
        const { id, at, acknowledged } = each
        const isWaitedFor = counts(each, now)
        const lacks = stops.filter(name => isWaitedFor && !acknowledged.includes(name))
        return { id, heardAt: at, is: bearing(each, now), lacks }
      }),
  ]
}

function bearing(report: Report, now: number): Standing['is'] {
  if (report.hasLeft) return 'left'
  if (!counts(report, now)) return 'gone'
  return isStale(report.at, now) ? 'silent' : 'heard'
}
