import { MOST_KEYS } from '../../keys-pipeline/key-set.ts'
import { span } from '../../keys-pipeline/words.ts'
import type { Facts, Fit, Fits, OursSeen } from './facts.ts'
import { HOUR, isRefused, mayBeRefused, SEEN, siblings, weigh, working } from './outcome.ts'

/** Seconds. Epic keeps a set no longer, whatever it says; others are not known to. @see Epic, OAuth 2.0 Specification */
const LONGEST_KEPT = 29 * HOUR

function oursIn(facts: Facts): OursSeen | null {
  return facts.set.state === 'key_set' && mayBeRefused(facts) ? facts.set.ours : null
}

type Absence = 'never_published' | 'removed' | 'not_yet' | 'other_environment'

/** What became of a key that is missing from the set, by which kids were accepted before. */
function absence(facts: Facts): Absence | null {
  if (oursIn(facts)?.state !== 'absent' || facts.key === null) return null
  if (facts.isInOtherSet === true) return 'other_environment'
  const accepted = [facts.past.kid, ...siblings(facts).map(each => each.kid)]
  if (accepted.includes(facts.key.kid)) return 'removed'
  return accepted.some(kid => kid !== null) ? 'not_yet' : 'never_published'
}

const whenAbsent =
  (kind: Absence, because: (kid: string) => string): Fits =>
  facts =>
    absence(facts) === kind ? weigh(95, because(facts.key?.kid ?? '')) : null

const neverPublished = whenAbsent(
  'never_published',
  kid => `the set was read, and has no key with kid ${kid} nor with its material`,
)
export const keyNotPublished: Fits = facts => {
  const { set, upstream, past } = facts
  if (set.state !== 'no_url') return neverPublished(facts)
  if (!isRefused(facts)) return null
  const because = `nobody has looked: the config has no keys.${upstream.environment}.jwksUrl`
  return weigh(past.worked === null ? 53 : 35, because)
}
export const keyRemovedTooEarly = whenAbsent(
  'removed',
  kid => `the set was read and has no kid ${kid}, which was accepted before and still signs`,
)
export const keyNotLiveYet = whenAbsent(
  'not_yet',
  kid => `the set was read and has no kid ${kid}; what was accepted before is another key`,
)
export const keyOfOtherEnvironment = whenAbsent(
  'other_environment',
  kid => `kid ${kid} is in the set of the other environment, and not in this one`,
)

const whenOurs =
  (states: readonly OursSeen['state'][], weight: number, because: (facts: Facts) => string): Fits =>
  facts => {
    const ours = oursIn(facts)
    return ours !== null && states.includes(ours.state) ? weigh(weight, because(facts)) : null
  }

export const keyUnderOtherKid = whenOurs(['other_kid', 'without_kid'], 94, facts => {
  const ours = oursIn(facts)
  return ours?.state === 'other_kid'
    ? `the set has this very key, but calls it ${ours.kid}; assertions say ${facts.key?.kid}`
    : `the set has this very key without a kid; assertions say ${facts.key?.kid}`
})
export const kidNamesOtherKey = whenOurs(
  ['other_key', 'unreadable'],
  94,
  facts =>
    `under kid ${facts.key?.kid} the set has ${
      oursIn(facts)?.state === 'unreadable' ? 'what is no readable key' : 'another key'
    }`,
)
export const kidNotUnique = whenOurs(
  ['twice'],
  94,
  facts => `the set has kid ${facts.key?.kid} more than once`,
)
export const keyAlgDiffers = whenOurs(
  ['other_alg'],
  92,
  facts => `the set publishes the key for another alg than ${facts.key?.alg}, which signs`,
)

const NO_CONNECTION: Readonly<Record<string, string>> = {
  name_not_found: 'its host has no address',
  unreachable: 'no connection to its host',
  timeout: 'no answer in time',
  tls: 'its certificate cannot be trusted',
}

export const keySetUnreachable: Fits = facts => {
  const why = NO_CONNECTION[facts.set.state]
  if (why === undefined || !mayBeRefused(facts)) return null
  const others = working(siblings(facts))
  if (others === 0) return weigh(86, `the URL of the key set was asked: ${why}`)
  return weigh(
    SEEN,
    `the URL of the key set was asked: ${why}; ${others} other upstreams still work, perhaps from what they keep`,
  )
}

const NO_SET: Readonly<Record<string, string>> = {
  redirect: 'a redirect',
  sign_in: 'a demand to sign in',
  not_found: 'that there is no such page',
  rate_limited: 'that it is asked too often',
  server_error: 'an error of the server',
  status: 'a status other than 200',
  html: 'an HTML page',
  type: 'something that is not JSON',
  not_json: 'something that is not JSON',
  not_key_set: 'JSON that is not a key set',
  too_large: 'something too large to be a key set',
}

export const keySetNotServed: Fits = facts => {
  if (!mayBeRefused(facts)) return null
  const { set } = facts
  if (set.state === 'key_set') {
    if (set.keys > MOST_KEYS) return weigh(84, `the set has ${set.keys} keys`)
    return set.isTyped || !isRefused(facts)
      ? null
      : weigh(45, 'the set is not served as application/json')
  }
  const what = NO_SET[set.state]
  return what === undefined ? null : weigh(88, `the URL of the key set answers with ${what}`)
}

/** Accepted before, with another key than the one that signs now. */
const hasChangedKey = ({ past, key }: Facts): boolean =>
  past.kid !== null && key !== null && past.kid !== key.kid

export const setIsKept: Fits = facts => {
  const { set, upstream } = facts
  if (!isRefused(facts) || oursIn(facts)?.state !== 'there' || set.state !== 'key_set') return null
  const isRecent = set.age === null || set.age < LONGEST_KEPT
  if (!hasChangedKey(facts) || !isRecent) return null
  const changed = set.age === null ? '' : `; the set changed ${span(set.age)} ago`
  // Epic looks again at once for a key that it does not know, so that only a failed look explains it there.
  return weigh(
    upstream.profileName === 'epic' ? 30 : 68,
    `it accepted another key before, and may keep the set as it was then${changed}`,
  )
}

export const keyIsPinned: Fits = facts => {
  if (!isRefused(facts) || oursIn(facts)?.state !== 'there') return null
  return hasChangedKey(facts) ? pinnedAfterChange(facts) : null
}

function pinnedAfterChange(facts: Facts): Fit {
  const alike = siblings(facts).filter(each => each.works && each.kid === facts.key?.kid).length
  const elsewhere = alike === 0 ? '' : `, while ${alike} other upstreams accept this one`
  return weigh(
    66,
    `it accepted kid ${facts.past.kid} before and refuses ${facts.key?.kid}${elsewhere}`,
  )
}
