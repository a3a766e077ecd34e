import { type Clock, type Instant, remaining } from '../clock.ts'
import { BrokerError } from '../errors.ts'
import type { Log } from './alarms.ts'
import type { Board } from './board.ts'
import {
  joined,
  leaseAfter,
  NO_WORK,
  type Posted,
  type Report,
  type Work,
  withoutOld,
} from './replicas.ts'
import type { OpenState } from './state-keeper.ts'

/** Changes what is under way, as it is at that moment: it may be called several times. */
export type Change = (work: Work) => Partial<Work>

/** One broker among those that share a store; alone where none is shared. */
export interface Replica {
  /** What others have posted is heeded when this returns; where they cannot be read, what was known before. */
  heed: () => Promise<void>
  /** The same, and tells the others of this one. Whether they can read it now. To be called every few seconds. */
  sync: () => Promise<boolean>
  /**
   * For all replicas, when this returns. `holder`: only while this one carries rotations on. Refused: `store_unwritable`,
   * `rotation_elsewhere`, and `file_not_written` where nothing is shared.
   */
  keep: (change: Change, by: 'anyone' | 'holder') => Promise<void>
  /** Rejects as `keep` by the holder. To be asked before what cannot be taken back. */
  mayStill: () => Promise<void>
  /** When known keys were made, by the publisher's word, which goes before what any broker has seen. */
  date: (created: Readonly<Record<string, number>>) => void
  /** Whether this one carries rotations on. */
  holds: () => boolean
  /** The id of the one that does; null where none is known, or nothing is shared. */
  holder: () => string | null
  /** What the others said last. */
  others: () => readonly Report[]
  /** Its id; null where nothing is shared. */
  id: () => string | null
  /** Why for a while the others cannot be read, or cannot hear of this one; null where they can. */
  fault: () => string | null
  /** The others need not wait for it. */
  leave: () => Promise<void>
}

interface Ports {
  board: Board | null
  state: OpenState
  clock: Clock
  wait: (milliseconds: number) => Promise<void>
  /** 0 to 1. */
  chance: () => number
  log: Log
  environment: string
  /** Of this process: it outlives neither an end nor a copy of the state. */
  owner: string
  /** Unlike any other in any broker; begins with what people know the machine by. */
  newName: () => string
  /** What it says of itself. */
  report: () => Omit<Report, 'id' | 'instance' | 'hasLeft'>
  /** Whether it could carry rotations on. */
  mayLead: () => boolean
  /** Something that decides which key signs is another than before. */
  onNews: () => void
}

/** Milliseconds without a sign of life after which another carries rotations on. */
const LEASE = 30_000
/** Others may post at the same moment, and one of them always gets on. Milliseconds. */
const [MOST_TRIES, RETRY, LONGEST_RETRY] = [60, 10, 200]
/** Milliseconds without an answer after which the store is said to be away: one that is late once is no news. */
const PATIENCE = 10_000

interface Fault {
  reason: string
  since: Instant
}

const NOTHING: Posted = {
  ...{ lease: null, work: NO_WORK, revoked: {}, promoted: [], created: {} },
  ...{ seen: null, reports: {} },
}

export const openReplica = (ports: Ports): Replica =>
  ports.board === null ? alone(ports) : amongOthers(ports, ports.board)

function alone({ state, onNews }: Ports): Replica {
  return {
    ...{ heed: async () => {}, sync: async () => true, leave: async () => {} },
    mayStill: async () => {},
    ...{ holds: () => true, holder: () => null, others: () => [] },
    ...{ id: () => null, fault: () => null },
    date: state.date,
    keep: async change => {
      const changed = change(state.parts)
      state.change(changed)
      state.saveNow()
      if (changed.withdrawals !== undefined) onNews()
      if (state.fault() !== null)
        throw new BrokerError('file_not_written', { reason: 'state_not_saved' })
    },
  }
}

function amongOthers(ports: Ports, board: Board): Replica {
  const { state, clock, wait, owner, newName } = ports
  const began = clock().wall
  // What was under way before there were others goes on.
  const hasWork = state.parts.rotations.length + state.parts.withdrawals.length > 0
  let own = state.parts.shared ?? { id: owner, revision: hasWork ? 1 : 0 }
  let known: Posted = NOTHING
  /** Since when the lease has not changed, and when it was last known to be ours. */
  let unchangedSince: Instant = clock()
  let heldAt: Instant | null = null
  const faults: { read: Fault | null; post: Fault | null } = { read: null, post: null }
  let hasLeft = false
  let dated: Readonly<Record<string, number>> = {}
  state.change({ shared: own })

  const holds = (): boolean =>
    known.lease?.owner === owner && heldAt !== null && remaining(heldAt, LEASE, clock()) > 0
  const others = (): Report[] => Object.values(known.reports).filter(({ id }) => id !== own.id)
  const datesOf = (created: Posted['created']): Posted['created'] =>
    Object.fromEntries(Object.entries(dated).filter(([name]) => Object.hasOwn(created, name)))
  /** What stands there, with all that is known here and this one's own last word. */
  const withMine = (posted: Posted | null): Posted => {
    const { revoked, promoted, created, rotations, proofs, withdrawals } = state.parts
    const { url, watched, published } = state.parts
    const work = { revision: own.revision, rotations, proofs, withdrawals }
    const all = [posted, known, { ...NOTHING, revoked, promoted, created, work }]
      .filter(each => each !== null)
      .reduce(joined)
    const since = Math.max(state.parts.since, ...others().map(each => each.since))
    const report = { ...ports.report(), id: own.id, instance: owner, hasLeft }
    return {
      ...all,
      ...(holds() && { seen: { url, watched, published, since } }),
      created: { ...all.created, ...datesOf(all.created) },
      reports: { ...all.reports, [own.id]: report },
    }
  }
  const adopt = (posted: Posted): void => {
    const before = known.lease
    known = joined(posted, known)
    if (before?.number !== known.lease?.number || before?.beat !== known.lease?.beat)
      unchangedSince = clock()
    const twin = posted.reports[own.id]
    if (twin && twin.instance !== owner && twin.at > began) own = { ...own, id: newName() }
    const { revision, ...work } = known.work
    let isNews = false
    // After a store has forgotten, two may have changed it alike often: what stands there counts.
    if (revision > own.revision || (revision === own.revision && isOther(work, state.parts))) {
      own = { ...own, revision }
      state.change(work)
      isNews = true
    }
    if (own !== state.parts.shared) state.change({ shared: own })
    const created = { ...known.created, ...datesOf(known.created) }
    if (learn({ ...known, created }, ports) || isNews) ports.onNews()
  }
  const post = async (change: (all: Posted) => Posted): Promise<void> => {
    for (let nth = 1; nth <= MOST_TRIES; nth++) {
      const sheet = await board.read()
      if (sheet.posted) adopt(sheet.posted)
      const at = clock()
      const next = change(withMine(sheet.posted))
      if (await board.replace(sheet, next)) {
        if (next.lease?.owner === owner) heldAt = at
        adopt(next)
        return
      }
      // All of them tick at the same second.
      await wait(Math.min(RETRY * nth, LONGEST_RETRY) * (0.5 + ports.chance()))
    }
    throw Object.assign(new Error('others post without end'), { code: 'BUSY' })
  }
  const reaching = async (what: 'read' | 'post', work: () => Promise<void>): Promise<boolean> => {
    try {
      await work()
      // Whoever could post has read before.
      faults.read = null
      faults[what] = null
    } catch (error) {
      const { code: reason = 'AWAY' } = error as NodeJS.ErrnoException
      faults[what] = { reason, since: faults[what]?.since ?? clock() }
    }
    return faults[what] === null
  }
  const report = (all: Posted): Posted => ({
    ...all,
    lease: leaseAfter(all.lease, {
      ...{ owner, mayLead: !hasLeft && ports.mayLead() },
      now: clock().wall,
      isForsaken: remaining(unchangedSince, LEASE, clock()) <= 0,
    }),
    reports: withoutOld(all.reports, clock().wall),
  })
  const keep: Replica['keep'] = async (change, by) => {
    let isRefused = false
    const isKept = await reaching('post', () =>
      post(all => {
        isRefused = by === 'holder' && all.lease?.owner !== owner
        if (isRefused) return report(all)
        const { revision, ...work } = all.work
        return report({ ...all, work: { ...work, ...change(work), revision: revision + 1 } })
      }),
    )
    if (!isKept)
      throw new BrokerError('store_unwritable', { reason: faults.post?.reason ?? 'AWAY' })
    if (isRefused) throw new BrokerError('rotation_elsewhere')
    state.saveNow()
  }
  return {
    heed: async () =>
      void (await reaching('read', async () => {
        const { posted } = await board.read()
        if (posted) adopt(posted)
      })),
    sync: () => reaching('post', () => post(report)),
    keep,
    date: created => {
      dated = { ...dated, ...created }
      state.date(created)
    },
    mayStill: () => keep(() => ({}), 'holder'),
    holds,
    holder: () =>
      Object.values(known.reports).find(({ instance }) => instance === known.lease?.owner)?.id ??
      null,
    others,
    id: () => own.id,
    fault: () =>
      [faults.read, faults.post].find(
        each => each !== null && remaining(each.since, PATIENCE, clock()) <= 0,
      )?.reason ?? null,
    leave: async () => {
      hasLeft = true
      await reaching('post', () => post(report))
    },
  }
}

const isOther = (work: Work, { rotations, proofs, withdrawals }: Work): boolean =>
  JSON.stringify([work.rotations, work.proofs, work.withdrawals]) !==
  JSON.stringify([rotations, proofs, withdrawals])

/** What others know of keys, for this one; saved where it is a revocation. Whether there was anything. */
function learn(
  { revoked, promoted, created, seen }: Posted,
  { state, log, environment }: Pick<Ports, 'state' | 'log' | 'environment'>,
): boolean {
  const { parts } = state
  const isNewTo = (known: object) => (name: string) => !Object.hasOwn(known, name)
  const stopped = Object.keys(revoked).filter(isNewTo(parts.revoked))
  const raised = promoted.filter(each => !parts.promoted.includes(each))
  const isOtherwise = Object.entries(created).some(([name, at]) => parts.created[name] !== at)
  // What it has seen itself counts; where that is nothing, what others have seen is better.
  const isBlank = parts.watched.lastRound === null && seen?.url != null && seen.url === parts.url
  if (stopped.length + raised.length === 0 && !isOtherwise && !isBlank) return false
  state.change({
    revoked: { ...parts.revoked, ...revoked },
    promoted: [...parts.promoted, ...raised],
    created: { ...parts.created, ...created },
    ...(isBlank && {
      ...{ watched: seen.watched, published: seen.published },
      // Who signed before with a state that is lost has said so here, or is waited for.
      since: Math.min(parts.since, seen.since),
    }),
  })
  if (stopped.length + raised.length > 0) state.saveNow()
  for (const thumbprint of stopped)
    log.error({ environment, thumbprint }, 'key revoked by another broker')
  for (const thumbprint of raised)
    log.info({ environment, thumbprint }, 'standby promoted by another broker')
  return true
}
