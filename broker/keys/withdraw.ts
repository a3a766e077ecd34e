import { parseLifecycle, serializeLifecycle } from '../../keys-pipeline/lifecycle.ts'
import { BrokerError } from '../errors.ts'
import type { EnvironmentKeys } from './environment.ts'
import { lifecycleFor } from './key-change.ts'
import type { KeyFacts } from './key-facts.ts'
import { asPublished } from './known-keys.ts'
import type { Plan } from './plan.ts'
import { canAllSign, ledgerOf } from './replicas.ts'
import { type Hold, holdsOn } from './retirement.ts'
import { isLive } from './sightings.ts'
import type { SigningKey } from './signing-keys.ts'
import type { Withdrawal } from './state.ts'
import { stateBy } from './statements.ts'

type Seen = Pick<EnvironmentKeys, 'situation' | 'state' | 'choices' | 'others'>
type Keys = Seen & Pick<EnvironmentKeys, 'taken' | 'keep'>

/** What decides of the keys, as it is now. */
export function planFor({ situation, state, choices, others }: Seen): Plan {
  const { rotations, withdrawals, ...own } = state()
  const known = situation()
  const replicas = others()
  return {
    ...{ situation: known, choices: choices(), rotations },
    ledger: ledgerOf(own, replicas, known.now),
    withdrawing: withdrawals
      .filter(({ release }) => release !== null)
      .map(({ thumbprint }) => thumbprint),
    isEverywhere: thumbprint => canAllSign(replicas, thumbprint, known.now),
  }
}

/** What keeps the key in the published set; nothing where it may go. */
export function holdsFor(key: KeyFacts, keys: Seen): Hold[] {
  const { situation, choices, ledger } = planFor(keys)
  return holdsOn(key, situation, choices, ledger)
}

/**
 * The withdrawal of a key, with what the publisher wants for it: a release by a key that stays, or the reason of its
 * revocation. Made once and kept, so that whatever is repeated says the same, letter by letter.
 *
 * Refused: `releaser_missing`, `key_needed` where it has signed meanwhile, and what `keep` refuses.
 */
export async function withdrawalOf(
  key: KeyFacts,
  keys: Keys,
  by: 'anyone' | 'holder',
): Promise<Withdrawal> {
  const { revoked, withdrawals } = keys.state()
  const before = withdrawals.find(({ thumbprint }) => thumbprint === key.thumbprint)
  const revocation = revoked[key.thumbprint]
  if (before && isOf(before, revocation)) return before
  const next: Withdrawal = {
    ...{ thumbprint: key.thumbprint, proposal: before?.proposal ?? null },
    ...(before?.isTakenBack && { isTakenBack: true }),
    ...(revocation ? { ...revocation, release: null } : await released(key, keys)),
  }
  let kept = next
  await keys.keep(({ withdrawals: all }) => {
    const now = all.find(({ thumbprint }) => thumbprint === key.thumbprint)
    kept = now && isOf(now, revocation) ? now : next
    return { withdrawals: withOne(all, kept) }
  }, by)
  return kept
}

const isOf = ({ release }: Withdrawal, revocation: object | undefined): boolean =>
  (release === null) === (revocation !== undefined)

/** In the place of what was there for its key. Refused: what `keep` refuses. */
export const keepWithdrawal = (
  keys: Pick<Keys, 'keep'>,
  withdrawal: Withdrawal,
  by: 'anyone' | 'holder',
): Promise<void> =>
  keys.keep(({ withdrawals }) => ({ withdrawals: withOne(withdrawals, withdrawal) }), by)

const withOne = (all: readonly Withdrawal[], one: Withdrawal): Withdrawal[] => [
  ...all.filter(({ thumbprint }) => thumbprint !== one.thumbprint),
  one,
]

async function released(
  key: KeyFacts,
  keys: Keys,
): Promise<Pick<Withdrawal, 'at' | 'reason' | 'release'>> {
  const { now } = keys.situation()
  const { url } = keys.state()
  const { since, lastSigned } = planFor(keys).ledger
  const by = releaserOf(key, keys)
  if (by === null || url === null) throw new BrokerError('releaser_missing', { kid: key.kid })
  const { thumbprint } = key
  const release = await stateBy(by, 'release', {
    ...{ thumbprint, url, now },
    // Before the records begin nobody knows when it signed.
    lastSigned: Math.max(since, lastSigned[thumbprint] ?? 0),
  })
  if (planFor(keys).ledger.lastSigned[thumbprint] !== lastSigned[thumbprint])
    throw new BrokerError('key_needed', { kid: key.kid, why: 'signing' })
  return { at: now, reason: `replaced by ${by.kid}`.slice(0, MOST_REASON), release }
}

const MOST_REASON = 500

/** The key of ours that signs now, else any that is live and stays. */
function releaserOf(key: KeyFacts, { situation, choices, taken, state }: Keys): SigningKey | null {
  const { keys, watched } = situation()
  const stays = keys.filter(
    ({ thumbprint, isHere, revokedAt }) =>
      thumbprint !== key.thumbprint && isHere && revokedAt === null && isLive(watched, thumbprint),
  )
  const signing = new Set([...choices().values()].map(choice => choice?.key.thumbprint))
  const by =
    stays.find(({ thumbprint, alg }) => signing.has(thumbprint) && alg === key.alg) ??
    stays.find(({ thumbprint }) => signing.has(thumbprint)) ??
    stays[0]
  const held = taken().held.find(each => each.key.thumbprint === by?.thumbprint)
  return held ? asPublished(held.key, state().published) : null
}

/** Refused: `reason_unusable`, for what the lifecycle file would not take, where it stays for ever. */
export function judgeReason(key: KeyFacts, reason: string): void {
  const withdrawal = { thumbprint: key.thumbprint, at: 0, reason, release: null, proposal: null }
  try {
    if (!/^\P{C}+$/u.test(reason)) throw new Error('not one line')
    parseLifecycle(serializeLifecycle(lifecycleFor(key, withdrawal)), 'the reason')
  } catch (error) {
    throw new BrokerError('reason_unusable', {}, { cause: error })
  }
}
