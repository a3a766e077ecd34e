import { isKty } from '../../keys-pipeline/algorithms.ts'
import { thumbprint, toPublicKey } from '../../keys-pipeline/jwk.ts'
import { type Look, readPublished } from '../../keys-pipeline/published.ts'
import type { KeyFacts, OursSeen, SetSeen } from './facts.ts'

type Entry = Readonly<Record<string, unknown>>

/**
 * What a look at the key set's URL shows of the key that signs, as an EHR would search it: by kid first. Entries are
 * read as they are written, since a key without a kid is none to an EHR. `now` is in milliseconds since the epoch.
 */
export function seeSet(look: Look, key: KeyFacts | null, now: number): SetSeen {
  const seen = readPublished(look)
  // What is wrong with the type alone is remembered, and the keys are read all the same.
  const read = seen.state === 'type' ? readPublished(asJson(look)) : seen
  if (read.state !== 'key_set') return { state: read.state }
  const entries = entriesOf(read.text)
  return {
    state: 'key_set',
    keys: entries.length,
    isTyped: seen.state === 'key_set',
    age: ageOf(look, now),
    ours: key === null ? { state: 'absent' } : oursAmong(entries, key),
  }
}

/** Whether the set holds this key, under whatever kid; null where there is no set to be read. */
export function holdsKey(look: Look, key: KeyFacts): boolean | null {
  const read = readPublished(asJson(look))
  if (read.state !== 'key_set') return null
  return entriesOf(read.text).some(entry => printOf(entry, look.url) === key.thumbprint)
}

const asJson = (look: Look): Look => ({
  ...look,
  headers: { ...look.headers, 'content-type': 'application/json' },
})

function oursAmong(entries: readonly Entry[], key: KeyFacts): OursSeen {
  const [named, ...more] = entries.filter(entry => entry['kid'] === key.kid)
  if (more.length > 0) return { state: 'twice' }
  if (named === undefined) {
    const same = entries.find(entry => printOf(entry, '') === key.thumbprint)
    if (same === undefined) return { state: 'absent' }
    const known = toPublicKey(same, '').key
    return same['kid'] === undefined || known === null
      ? { state: 'without_kid' }
      : { state: 'other_kid', kid: known.jwk.kid }
  }
  const print = printOf(named, '')
  if (print === null) return { state: 'unreadable' }
  if (print !== key.thumbprint) return { state: 'other_key' }
  const { alg } = named
  return alg !== undefined && alg !== key.alg ? { state: 'other_alg' } : { state: 'there' }
}

/** The identity of an entry's material, whatever it is called; null where it has none. */
function printOf(entry: Entry, place: string): string | null {
  const { kty, n, e, crv, x, y } = entry
  const { key } = toPublicKey({ kty, n, e, crv, x, y }, place)
  return key !== null && isKty(kty) ? thumbprint(entry, kty) : null
}

/** The text is that of a key set by now, so that it parses. */
const entriesOf = (text: string): Entry[] =>
  [JSON.parse(text).keys]
    .flat()
    .filter((each): each is Entry => typeof each === 'object' && each !== null)

/** Seconds since the set last changed, by the server's own two clocks where it has both. */
function ageOf({ headers }: Look, now: number): number | null {
  const changed = Date.parse(headers['last-modified'] ?? '')
  if (Number.isNaN(changed)) return null
  const served = Date.parse(headers['date'] ?? '')
  return Math.max(0, ((Number.isNaN(served) ? now : served) - changed) / 1000)
}
