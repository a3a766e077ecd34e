import type { Environment } from '../../keys-pipeline/key-set.ts'
import { BrokerError } from '../errors.ts'
import type { Log } from './alarms.ts'
import type { EnvironmentKeys, HeldKey } from './environment.ts'
import { addByHand, additionOf, removalOf, removeByHand } from './key-change.ts'
import type { KeyFacts } from './key-facts.ts'
import { findMade, type MakePair, makeKey } from './make-key.ts'
import type { Note } from './notes.ts'
import type { Step } from './plan.ts'
import type { Proposal, Publisher } from './publish.ts'
import { putAway } from './put-away.ts'
import { wasLive } from './sightings.ts'
import type { Rotation } from './state.ts'
import { stateBy } from './statements.ts'
import { holdsFor, keepWithdrawal, withdrawalOf } from './withdraw.ts'

export interface StepPorts {
  log: Log
  newId: () => string
  makePair: MakePair
  /** Where private keys of an environment lie. */
  foldersOf: (environment: Environment) => {
    folder: string | null
    standbyFolder: string | null
    passphrase: { text: string } | null
  }
  /** Null where a person publishes. */
  publisher: () => Publisher | null
  /** One token of the upstream, with the key that signs for it now. */
  ask: (upstream: string) => Promise<void>
}

/** What came of a step: what it waits for, and the milliseconds after which it is looked at again. */
export interface Done {
  waitsFor: Omit<Note, 'since'> | null
  again: number
}

const MINUTE = 60_000
/** Milliseconds after which a pull request that is open is looked at again: it may be closed, or out of date. */
const LOOK_AGAIN = 10 * MINUTE

/**
 * One step, which is recorded when this returns. Done again it finds what it did before.
 *
 * Refused: `file_not_written`, `file_unreadable`, `proposal_failed`, `releaser_missing`, `store_unwritable`,
 * `rotation_elsewhere`, and what EHRs refuse.
 */
export function carryOut(
  step: Step,
  environment: Environment,
  keys: EnvironmentKeys,
  ports: StepPorts,
): Promise<Done> {
  const room = { environment, keys, ports }
  switch (step.do) {
    case 'make':
      return make(step.rotation, room)
    case 'propose':
      return propose(step, room)
    case 'withdraw':
      return withdraw(step.key, room)
    case 'keep':
      return keep(step.key, room)
    case 'archive':
      return archive(step.key, room)
    case 'ask':
      return ports.ask(step.upstream).then(() => done(LOOK_AGAIN))
  }
}

interface Room {
  environment: Environment
  keys: EnvironmentKeys
  ports: StepPorts
}

const done = (again: number): Done => ({ waitsFor: null, again })

/** A key that somebody has put there is as good as one that is made here. */
async function make(rotation: Rotation, { environment, keys, ports }: Room): Promise<Done> {
  const { folder: own, standbyFolder, passphrase } = ports.foldersOf(environment)
  const folder = rotation.role === 'standby' ? standbyFolder : own
  const place = folder === null ? null : { folder, passphrase: passphrase?.text ?? null }
  const made =
    (place === null ? null : findMade(place, rotation.id)) ??
    suppliedFor(rotation, keys)?.key.thumbprint ??
    null
  if (made !== null) return record(made)
  if (place === null)
    return waiting('private_key_needed', { alg: rotation.alg, folder, reason: 'no folder' })
  try {
    const made = await makeKey(place, rotation, {
      ...{ makePair: ports.makePair, writer: keys.id() ?? '' },
      // Who was held up here for long may have been followed by another, whose key it would be.
      mayWrite: keys.mayStill,
    })
    return record(made)
  } catch (error) {
    if (!(error instanceof BrokerError && error.code === 'private_key_needed')) throw error
    return waiting(error.code, { alg: rotation.alg, ...error.facts })
  }

  async function record(thumbprint: string): Promise<Done> {
    await change(keys, rotation.id, { made: thumbprint })
    ports.log.info({ environment, alg: rotation.alg, role: rotation.role, thumbprint }, 'key made')
    return done(0)
  }
}

const waiting = (code: Note['code'], facts: Note['facts'], again = MINUTE): Done => ({
  ...{ waitsFor: { code, facts }, again },
})

/** A key here that never signed, was never live, and is nobody else's: it is taken before another is made. */
function suppliedFor({ alg, role }: Rotation, keys: EnvironmentKeys): HeldKey | null {
  const { keys: facts, watched, upstreams } = keys.situation()
  const { lastSigned, rotations } = keys.state()
  const taken = new Set(rotations.map(({ made }) => made))
  const pinned = new Set(upstreams.flatMap(each => each.pinned ?? []))
  const free = facts.find(
    each =>
      each.isHere &&
      each.alg === alg &&
      each.role === role &&
      each.revokedAt === null &&
      !wasLive(watched, each.thumbprint) &&
      lastSigned[each.thumbprint] === undefined &&
      !taken.has(each.thumbprint) &&
      !pinned.has(each.kid),
  )
  return keys.taken().held.find(({ key }) => key.thumbprint === free?.thumbprint) ?? null
}

/** Refused: what `keep` refuses. */
const change = (keys: EnvironmentKeys, id: string, parts: Partial<Rotation>): Promise<void> =>
  keys.keep(
    ({ rotations }) => ({
      rotations: rotations.map(each => (each.id === id ? { ...each, ...parts } : each)),
    }),
    'holder',
  )

async function propose(
  { rotation, key }: { rotation: Rotation; key: KeyFacts },
  room: Room,
): Promise<Done> {
  const { environment, keys, ports } = room
  const held = keys.taken().held.find(each => each.key.thumbprint === key.thumbprint)
  if (!held) return done(0)
  const addition = { key, jwk: held.key.jwk, proof: await proofOf(held, keys) }
  const publisher = ports.publisher()
  if (publisher === null)
    return waiting('publish_by_hand', {
      kid: key.kid,
      commands: addByHand(environment, addition).join('\n'),
    })
  const proposal = await publisher.propose(additionOf(environment, addition))
  return after(proposal, room, key, {
    what: 'pull request adds a key',
    before: rotation.proposal,
    keep: number =>
      change(keys, rotation.id, { proposal: number, proposedAt: keys.situation().now }),
  })
}

/** Made once and kept, since two signatures of one statement may differ, and a proposal would be another. */
async function proofOf({ key }: HeldKey, keys: EnvironmentKeys): Promise<string> {
  const { proofs, url } = keys.state()
  const known = proofs[key.thumbprint]
  if (known !== undefined) return known
  if (url === null) throw new BrokerError('rotation_unwatched')
  const { thumbprint } = key
  const proof = await stateBy(key, 'possession', { thumbprint, url, now: keys.situation().now })
  await keys.keep(
    work => ({ proofs: { ...work.proofs, [thumbprint]: work.proofs[thumbprint] ?? proof } }),
    'holder',
  )
  return keys.state().proofs[thumbprint] ?? proof
}

async function after(
  proposal: Proposal,
  { environment, ports }: Room,
  { kid }: KeyFacts,
  {
    what,
    before,
    keep,
  }: { what: string; before: number | null; keep: (number: number) => Promise<void> },
): Promise<Done> {
  if (proposal.did === 'unneeded') return done(LOOK_AGAIN)
  const { did, number, url } = proposal
  if (number !== before) {
    await keep(number)
    ports.log.info({ environment, kid, url }, what)
  }
  return did === 'declined'
    ? waiting('proposal_declined', { kid, url }, LOOK_AGAIN)
    : done(LOOK_AGAIN)
}

async function withdraw(key: KeyFacts, room: Room): Promise<Done> {
  const { environment, keys, ports } = room
  const withdrawal = await withdrawalOf(key, keys, 'holder')
  const publisher = ports.publisher()
  if (publisher === null)
    return waiting('publish_by_hand', {
      kid: key.kid,
      commands: removeByHand(environment, key, withdrawal).join('\n'),
    })
  const { isTakenBack = false, ...next } = withdrawal
  if (isTakenBack && next.proposal !== null) {
    await publisher.reopen(next.proposal)
    await keepWithdrawal(keys, next, 'holder')
  }
  const proposal = await publisher.propose(removalOf(environment, key, next))
  return after(proposal, room, key, {
    what: 'pull request removes a key',
    before: next.proposal,
    keep: number => keepWithdrawal(keys, { ...next, proposal: number }, 'holder'),
  })
}

/** The key is needed again: its removal is taken back where that can be, and with it the release, which is true no more. */
async function keep(key: KeyFacts, { environment, keys, ports }: Room): Promise<Done> {
  const before = keys.state().withdrawals.find(({ thumbprint }) => thumbprint === key.thumbprint)
  if (!before) return done(0)
  const { proposal: pull } = before
  const why = holdsFor(key, keys)
    .map(each => each.why)
    .join()
  const publisher = ports.publisher()
  const became = publisher && pull !== null ? await publisher.look(pull) : null
  if (publisher === null || pull === null || became === 'merged')
    return waiting('withdrawal_overtaken', { kid: key.kid, why, pull, merged: became === 'merged' })
  if (became === 'open') {
    // Kept before it is done: what a person closes stays closed.
    await keepWithdrawal(keys, { ...before, isTakenBack: true }, 'holder')
    await publisher.close(
      pull,
      `The broker needs this key again (${why}), and has closed this pull request. It opens it again when the key may go.`,
    )
    ports.log.info({ environment, kid: key.kid, pull }, 'pull request taken back')
  }
  const isTakenBack = became === 'open' || before.isTakenBack === true
  const taken = { ...before, release: null, ...(isTakenBack && { isTakenBack }) }
  await keepWithdrawal(keys, taken, 'holder')
  return done(LOOK_AGAIN)
}

async function archive(key: KeyFacts, { environment, keys, ports }: Room): Promise<Done> {
  const all = keys.taken().held
  const held = all.find(each => each.key.thumbprint === key.thumbprint)
  // A folder without a key for its upstreams is refused at the next start.
  const isLast = !all.some(
    each => each !== held && each.role === 'signer' && each.key.alg === held?.key.alg,
  )
  if (held?.role === 'signer' && isLast) return done(LOOK_AGAIN)
  const file = held ? putAway(held.key.file) : null
  if (file !== null) ports.log.info({ environment, kid: key.kid, file }, 'private key put away')
  return done(LOOK_AGAIN)
}
