import { parseLifecycle, serializeLifecycle } from '../../keys-pipeline/lifecycle.ts'
import { BrokerError } from '../errors.ts'
import type { EnvironmentKeys } from './environment.ts'
import { lifecycleFor } from './key-change.ts'
import type { KeyFacts } from './key-facts.ts'
import { asPublished } from './known-keys.ts'
import type { Plan } from './plan.ts'
import { type Hold, holdsOn } from './retirement.ts'
import { isLive } from './sightings.ts'
import type { SigningKey } from './signing-keys.ts'
import type { Withdrawal } from './state.ts'
import { stateBy } from './statements.ts'

type Keys = Pick<EnvironmentKeys, 'situation' | 'state' | 'choices' | 'taken' | 'keep'>

/** What decides of the keys, as it is now. */
export function planFor({
  situation,
  state,
  choices,
}: Pick<Keys, 'situation' | 'state' | 'choices'>): Plan {
  const { since, lastSigned, rotations, withdrawals } = state()
  return {
    ...{ situation: situation(), choices: choices(), rotations },
    ledger: { since, lastSigned, replicas: [] },
    withdrawing: withdrawals
      .filter(({ release }) => release !== null)
      .map(({ thumbprint }) => thumbprint),
    isEverywhere: () => true,
  }
}

/** What keeps the key in the published set; nothing where it may go. */
export function holdsFor(
  key: KeyFacts,
  keys: Pick<Keys, 'situation' | 'state' | 'choices'>,
): Hold[] {
  const { situation, choices, ledger } = planFor(keys)
  return holdsOn(key, situation, choices, ledger)
}

/**
 * The withdrawal of a key, with what the publisher wants for it: a release by a key that stays, or the reason of its
 * revocation. Made once and kept, so that whatever is repeated says the same, letter by letter.
 *
 * Refused: `releaser_missing`, `key_needed` where it has signed meanwhile, `file_not_written` where it cannot be kept.
 */
export async function withdrawalOf(key: KeyFacts, keys: Keys): Promise<Withdrawal> {
  const { revoked, withdrawals } = keys.state()
  const before = withdrawals.find(({ thumbprint }) => thumbprint === key.thumbprint)
  const revocation = revoked[key.thumbprint]
  if (before && (before.release === null) === (revocation !== undefined)) return before
  const next: Withdrawal = {
    ...{ thumbprint: key.thumbprint, proposal: before?.proposal ?? null },
    ...(before?.isTakenBack && { isTakenBack: true }),
    ...(revocation ? { ...revocation, release: null } : await released(key, keys)),
  }
  keepWithdrawal(keys, next)
  return next
}

/** Refused: `file_not_written`. */
export function keepWithdrawal(keys: Pick<Keys, 'state' | 'keep'>, withdrawal: Withdrawal): void {
  const others = keys
    .state()
    .withdrawals.filter(({ thumbprint }) => thumbprint !== withdrawal.thumbprint)
  if (!keys.keep({ withdrawals: [...others, withdrawal] }))
    throw new BrokerError('file_not_written', { reason: 'state_not_saved' })
}

async function released(
  key: KeyFacts,
  keys: Keys,
): Promise<Pick<Withdrawal, 'at' | 'reason' | 'release'>> {
  const { now } = keys.situation()
  const { since, lastSigned, url } = keys.state()
  const by = releaserOf(key, keys)
  if (by === null || url === null) throw new BrokerError('releaser_missing', { kid: key.kid })
  const { thumbprint } = key
  const release = await stateBy(by, 'release', {
    ...{ thumbprint, url, now },
    // Before the records begin nobody knows when it signed.
    lastSigned: Math.max(since, lastSigned[thumbprint] ?? 0),
  })
  if (keys.state().lastSigned[thumbprint] !== lastSigned[thumbprint])
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
