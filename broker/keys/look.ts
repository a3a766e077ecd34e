import { cachingOf } from '../../keys-pipeline/doctor/caching.ts'
import type { PublicKey } from '../../keys-pipeline/jwk.ts'
import {
  type Look as Fetched,
  type PublishedFault,
  readPublished,
} from '../../keys-pipeline/published.ts'
import type { Life } from './sightings.ts'

/** A key set that was had, with what a later look needs to ask only whether it has changed. */
export interface Told {
  keys: readonly PublicKey[]
  text: string
  etag: string | null
  cacheControl: string | undefined
}

/** What came in place of a key set. */
export interface Fault {
  /** `unasked`: it says that nothing has changed, and was not asked that. */
  state: PublishedFault | 'unasked'
  detail: string
}

/** Characters. More is no word of a cache. */
const MOST_ETAG = 200

/** What a look tells. `before` is what was asked to be confirmed. @see RFC 9110 §13.1.2, §15.4.5 */
export function readLook(look: Fetched, before: Told | null): Told | Fault {
  const { headers, failure, status } = look
  const { etag, 'cache-control': cacheControl } = headers
  if (failure === null && status === 304)
    return before === null
      ? { state: 'unasked', detail: '304' }
      : { ...before, cacheControl: cacheControl ?? before.cacheControl }
  const seen = readPublished(look)
  if (seen.state !== 'key_set')
    return { state: seen.state, detail: seen.detail.slice(0, MOST_DETAIL) }
  const { keys, text } = seen
  return { keys, text, etag: etag && etag.length <= MOST_ETAG ? etag : null, cacheControl }
}

/** Characters. A redirect may name anything. */
const MOST_DETAIL = 300

export const isTold = (seen: Told | Fault): seen is Told => 'keys' in seen

/** Seconds for which a copy may be kept. */
export function lifeOf({ cacheControl }: Told): Life {
  const { shared, own } = cachingOf(cacheControl)
  return { shared, own }
}
