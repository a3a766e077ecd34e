import type { KeyUrl } from '../../broker/access/access.ts'
import type { FetchKeys } from '../../broker/access/fetch-keys.ts'
import { openKeySets } from '../../broker/access/key-sets.ts'
import { type MovedClock, movedClock } from './clock.ts'
import { keysOf, type Signs } from './tokens.ts'

export const KEY_URL: KeyUrl = { url: 'https://issuer.example.com/jwks', ca: null, tokenFile: null }

/** An issuer's key set as the broker fetches it, which a test changes, takes down, or makes slow. */
export function keySite(...signers: Signs[]) {
  const clock: MovedClock = movedClock()
  const site = { keys: keysOf(...signers), isDown: false, fetches: 0, delay: async () => {} }
  const fetchKeys: FetchKeys = async () => {
    site.fetches++
    await site.delay()
    return site.isDown ? null : site.keys
  }
  return { site, clock, keyFor: openKeySets(clock.clock, fetchKeys) }
}
