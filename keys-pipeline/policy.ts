import { type Code, type Finding, finding } from './errors.ts'
import type { PublicKey } from './jwk.ts'
import type { Environment } from './key-set.ts'
import type { Lifecycle, Retirement } from './lifecycle.ts'
import { readStatement } from './statements.ts'

/** One environment as the world has it, beside what a commit would make of it. */
export interface Change {
  environment: Environment
  /** The folder, for findings. */
  place: string
  /** What is published now; null where nothing ever was. */
  live: { url: string; keys: readonly PublicKey[] } | null
  next: {
    url: string
    keys: readonly PublicKey[]
    lifecycle: Lifecycle
    /** The URL it is said to have moved from, in the settings, with a reason. */
    movedFrom: string | null
  }
  /** What the other environment has published now. */
  liveElsewhere: readonly PublicKey[]
  /** Milliseconds since the epoch, by thumbprint; null where no record tells. */
  liveSince: (thumbprint: string) => number | null
  /** Seconds. */
  guard: { live: number; retired: number }
  /** Milliseconds since the epoch. */
  now: number
}

/**
 * Whether the change can be published without breaking anybody who holds the live set.
 *
 * Refused: `url_changed`, `set_empty`, `key_in_both_environments`, `kid_changed`, `proof_missing`, `proof_invalid` for
 * a key that comes, and for one that goes `removal_without_reason`, `still_signing`, `release_invalid`,
 * `only_young_keys`, `live_since_unknown`. An emergency lifts the last four, and nothing else.
 *
 * @see design §4 · OpenID Connect Core §10.1.1
 */
export async function judgeChange(change: Change): Promise<Finding[]> {
  const { place, live, next } = change
  const liveKeys = live?.keys ?? []
  if (liveKeys.length > 0 && next.keys.length === 0)
    return [finding('set_empty', place, `${liveKeys.length} keys are live, and none would stay`)]
  const coming = next.keys.filter(key => !has(liveKeys, key))
  const going = liveKeys.filter(key => !next.keys.some(each => each.jwk.kid === key.jwk.kid))
  const found = await Promise.all([
    judgeUrl(change),
    ...liveKeys.map(key => judgeKid(key, next.keys)),
    ...coming.map(key => judgeNewcomer(key, change)),
    ...going.filter(key => !has(next.keys, key)).map(key => judgeRemoval(key, change)),
  ])
  return found.flat()
}

const has = (keys: readonly PublicKey[], key: PublicKey): boolean =>
  keys.some(each => each.thumbprint === key.thumbprint)

/** The URL is registered with hospitals that nobody can reach all at once. */
function judgeUrl({ place, live, next }: Change): Finding[] {
  if (live === null || live.url === next.url || live.url === next.movedFrom) return []
  return [finding('url_changed', place, `${live.url} would become ${next.url}`)]
}

/** Whoever keeps keys by kid holds the old one for as long as its copy lives: a name never gets another meaning. */
function judgeKid(live: PublicKey, next: readonly PublicKey[]): Finding[] {
  const { kid } = live.jwk
  const say = (file: string, message: string) => [finding('kid_changed', file, message, kid)]
  const heir = next.find(key => key.jwk.kid === kid)
  if (heir === undefined) {
    const renamed = next.find(key => key.thumbprint === live.thumbprint)
    return renamed ? say(renamed.file, `the live key would be called ${renamed.jwk.kid}`) : []
  }
  if (heir.thumbprint !== live.thumbprint) return say(heir.file, 'the kid would name another key')
  if (heir.jwk.alg !== live.jwk.alg)
    return say(heir.file, `alg ${live.jwk.alg} would become ${heir.jwk.alg}`)
  return []
}

async function judgeNewcomer(key: PublicKey, change: Change): Promise<Finding[]> {
  const { liveElsewhere, next } = change
  const say = (code: Code, message: string) => [finding(code, key.file, message, key.jwk.kid)]
  if (has(liveElsewhere, key))
    return say('key_in_both_environments', 'the key is live in the other environment')
  const proof = next.lifecycle[key.thumbprint]?.proof
  if (proof === undefined)
    return say('proof_missing', 'nobody has proved to hold the private half of this key')
  const about = { thumbprint: key.thumbprint, url: next.url }
  const statement = await readStatement('possession', proof, [key], about)
  return typeof statement === 'string' ? say('proof_invalid', statement) : []
}

async function judgeRemoval(key: PublicKey, change: Change): Promise<Finding[]> {
  const { place, next } = change
  const retired = next.lifecycle[key.thumbprint]?.retired
  if (retired === undefined) {
    const message = 'a live key would go, and no reason is recorded'
    return [finding('removal_without_reason', place, message, key.jwk.kid)]
  }
  if (retired.emergency) return []
  return [...(await judgeRelease(key, retired, change)), ...judgeStayers(key, retired, change)]
}

async function judgeRelease(
  key: PublicKey,
  { release, unreleased }: Retirement,
  { place, next, guard, now }: Change,
): Promise<Finding[]> {
  const say = (code: Code, message: string) => [finding(code, place, message, key.jwk.kid)]
  if (unreleased) return []
  if (release === undefined) return say('still_signing', 'no key that stays has released it')
  const about = { thumbprint: key.thumbprint, url: next.url }
  const statement = await readStatement('release', release, next.keys, about)
  if (typeof statement === 'string') return say('release_invalid', statement)
  const rested = (statement.last_signed ?? 0) + guard.retired
  if (rested * 1000 <= now) return []
  return say('still_signing', `may go at ${new Date(rested * 1000).toISOString()}, not before`)
}

/** Somebody must have had the time to fetch one of the keys that stay. */
function judgeStayers(
  key: PublicKey,
  { liveSince: claimed }: Retirement,
  change: Change,
): Finding[] {
  const { place, live, next, guard, now } = change
  const say = (code: Code, message: string) => [finding(code, place, message, key.jwk.kid)]
  const stayers = (live?.keys ?? []).filter(each => has(next.keys, each))
  if (stayers.length === 0)
    return say('only_young_keys', 'no key that is live would stay beside it')
  const known = stayers.flatMap(each => change.liveSince(each.thumbprint) ?? [])
  if (claimed !== undefined) known.push(Date.parse(claimed))
  if (known.length === 0)
    return say('live_since_unknown', 'no record says since when a key that stays has been live')
  const oldest = Math.min(...known)
  if (now - oldest >= guard.live * 1000) return []
  const age = Math.max(0, Math.floor((now - oldest) / 1000))
  return say(
    'only_young_keys',
    `the keys that stay have been live for ${age} s; the guard is ${guard.live} s`,
  )
}
