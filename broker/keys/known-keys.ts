import type { Times } from '../../keys-pipeline/github/record.ts'
import type { Hand, HeldKey, KeyRules } from './environment.ts'
import { type KeyFacts, NO_RECORD } from './key-facts.ts'
import { type GuardSettings, provenAt } from './proof.ts'
import type { Because, Situation } from './rotation.ts'
import { isLive, sightingOf, type Watched } from './sightings.ts'
import type { SigningKey } from './signing-keys.ts'
import type { KeyState } from './state.ts'
import type { OpenState } from './state-keeper.ts'
import type { Named } from './watch.ts'

/** Those that are here, and those that are known from the live set alone. */
export function factsOf(held: readonly HeldKey[], { parts }: OpenState): KeyFacts[] {
  const { created, revoked, promoted, published, watched, withdrawals } = parts
  const released = new Set(
    withdrawals.filter(({ release }) => release !== null).map(({ thumbprint }) => thumbprint),
  )
  const known = (thumbprint: string) => ({
    thumbprint,
    created: created[thumbprint] ?? 0,
    revokedAt: revoked[thumbprint]?.at ?? null,
    isReleased: released.has(thumbprint),
  })
  const here = held.map(
    ({ key, role }): KeyFacts => ({
      ...known(key.thumbprint),
      kid: published[key.thumbprint]?.kid ?? key.kid,
      alg: key.alg,
      role: promoted.includes(key.thumbprint) ? 'signer' : role,
      isHere: true,
    }),
  )
  const elsewhere = Object.entries(published).flatMap(([thumbprint, { kid, alg }]): KeyFacts[] => {
    if (!isLive(watched, thumbprint) || here.some(each => each.thumbprint === thumbprint)) return []
    return [{ ...known(thumbprint), kid, alg, role: 'signer', isHere: false }]
  })
  return [...here, ...elsewhere]
}

/**
 * The publisher's record counts for a key that no look was ever without: where the watch has seen it come, the watch
 * knows better, stale edges and all.
 */
export function settingsOf(
  { guard, liveSince }: KeyRules,
  facts: readonly KeyFacts[],
  { live, watched }: { live: Times; watched: Watched },
): GuardSettings {
  const claimed = facts.flatMap(({ thumbprint, kid }) => {
    const claim = liveSince.get(kid) ?? liveSince.get(thumbprint)
    const isOlder = sightingOf(watched, thumbprint).lastAbsent === null
    const at = claim?.at ?? (isOlder ? live[thumbprint] : undefined)
    return at === undefined ? [] : [[thumbprint, at] as const]
  })
  return { guard, claimed: Object.fromEntries(claimed) }
}

/** The names in the header are those in the live set: an EHR looks there. */
export function asPublished(key: SigningKey, published: KeyState['published']): SigningKey {
  const { kid, alg } = published[key.thumbprint] ?? key
  return kid === key.kid && alg === key.alg ? key : { ...key, kid, alg }
}

/** What the last round had under each key, ours where it is among them; what it had not is remembered. */
export function namesAfter(
  seen: ReadonlyMap<string, readonly Named[]>,
  held: readonly HeldKey[],
  before: KeyState['published'],
): KeyState['published'] {
  const ours = new Map(held.map(({ key }) => [key.thumbprint, key]))
  const kept = Object.entries(before).filter(([thumbprint]) => ours.has(thumbprint))
  const named = [...seen].flatMap(([thumbprint, names]) => {
    const own = ours.get(thumbprint)
    const [first] = names
    const same = names.find(({ kid, alg }) => kid === own?.kid && alg === own.alg) ?? first
    return same ? [[thumbprint, { kid: same.kid, alg: same.alg }] as const] : []
  })
  return Object.fromEntries([...kept, ...named])
}

/** Whether a key here is to become live or proven, or one that was revoked is to go. */
export function isAwaiting({ keys, watched, settings, upstreams, now }: Situation): boolean {
  const readers = new Set(upstreams.map(({ reader }) => reader))
  return keys.some(key => {
    const isSeen = isLive(watched, key.thumbprint)
    if (key.revokedAt !== null) return isSeen
    if (!isSeen) return key.isHere
    return [...readers].some(reader => {
      const at = provenAt(key, reader, NO_RECORD, watched, settings)
      return at === null || at > now
    })
  })
}

/** By the kid that signs now, for how many upstreams another signed before, and the first of them. */
export function switchesBetween(
  before: ReadonlyMap<string, Hand | null>,
  next: ReadonlyMap<string, Hand | null>,
): Map<string, { count: number; first: string; because: Because }> {
  const switches = new Map<string, { count: number; first: string; because: Because }>()
  for (const [id, hand] of next) {
    const last = before.get(id)
    // The first choice of all is no switch.
    if (hand === null || !last || last.key.kid === hand.key.kid) continue
    const { kid } = hand.key
    const { count, first } = switches.get(kid) ?? { count: 0, first: id }
    switches.set(kid, { first, count: count + 1, because: hand.because })
  }
  return switches
}
