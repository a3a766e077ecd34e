import { type Finding, finding } from './errors.ts'
import type { PublicKey } from './jwk.ts'

export const ENVIRONMENTS = ['production', 'nonprod'] as const
export type Environment = (typeof ENVIRONMENTS)[number]

/** Epic reads at most this many keys from one URL. @see Epic "OAuth 2.0", JWK Set URL */
export const MOST_KEYS = 100

/** One set's own faults: `too_many_keys`, `kid_duplicate`, `key_twice`. `place` is what a finding names. */
export function judgeKeySet(keys: readonly PublicKey[], place: string): Finding[] {
  const findings: Finding[] = []
  if (keys.length > MOST_KEYS) {
    findings.push(
      finding('too_many_keys', place, `${keys.length} keys in one set; at most ${MOST_KEYS}`),
    )
  }
  const byPrint = new Map<string, PublicKey>()
  const byKid = new Map<string, PublicKey>()
  for (const key of keys) {
    const { kid } = key.jwk
    const twin = byPrint.get(key.thumbprint)
    const namesake = byKid.get(kid)
    if (twin) findings.push(finding('key_twice', key.file, `the same key is in ${twin.file}`, kid))
    else if (namesake) {
      findings.push(
        finding('kid_duplicate', key.file, `kid ${kid} names another key in ${namesake.file}`, kid),
      )
    }
    byPrint.set(key.thumbprint, key)
    byKid.set(kid, key)
  }
  return findings
}

/** A key is never in both environments: `key_in_both_environments`. */
export function judgeAcross(
  production: readonly PublicKey[],
  nonprod: readonly PublicKey[],
): Finding[] {
  const live = new Map(production.map(key => [key.thumbprint, key]))
  return nonprod.flatMap(key => {
    const twin = live.get(key.thumbprint)
    if (!twin) return []
    return [
      finding('key_in_both_environments', key.file, `the same key is in ${twin.file}`, key.jwk.kid),
    ]
  })
}

/** The key set exactly as it will be served, in the order of the kids: same keys, same bytes. @see RFC 7517 §5 */
export function serializeKeySet(keys: readonly PublicKey[]): string {
  return `${JSON.stringify({ keys: inOrder(keys).map(key => key.jwk) }, null, 2)}\n`
}

export function inOrder(keys: readonly PublicKey[]): PublicKey[] {
  return [...keys].sort((a, b) => (a.jwk.kid < b.jwk.kid ? -1 : 1))
}
