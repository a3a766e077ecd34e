import { LRUCache } from 'lru-cache'
import type { Policy } from './access/policy.ts'
import { type Clock, isOver } from './clock.ts'
import type { KnownRequest, Rooms } from './issue-token.ts'

/** Requests. A hundred services with five hundred upstreams each; of more, the least recently used are read anew. */
const MOST = 50_000

/**
 * Token requests that were granted, by the SHA-256 of all that they were granted for: no secret is kept.
 *
 * What a secret proves, and what policy says to the same question, is the same for the same bytes as long as the config
 * stands; so it is found out once. What changes meanwhile is not remembered: limits, the token, its life, the record.
 */
export function openKnownRequests(
  clock: Clock,
  policy: () => Policy,
  most: number = MOST,
): Pick<Rooms, 'recall' | 'remember'> {
  const requests = new LRUCache<string, KnownRequest>({ max: most })
  let of: Policy | null = null
  const current = (): typeof requests => {
    if (of !== policy()) requests.clear()
    of = policy()
    return requests
  }
  const provesNothing = ({ caller: { proves } }: KnownRequest): boolean =>
    proves !== null && isOver(proves, clock())
  return {
    recall: digest => {
      const known = current().get(digest)
      if (known === undefined) return undefined
      if (provesNothing(known)) {
        requests.delete(digest)
        return undefined
      }
      return known
    },
    remember: (digest, known) => {
      // Granted under a config that was replaced while it waited for the EHR, or until its credential ran out.
      if (known.policy !== policy() || provesNothing(known)) return
      current().set(digest, detached(known))
    },
  }
}

/** A text that was cut out of the request would keep all of it in memory, its secret too: copies are kept. */
function detached({ policy, authorised, ...read }: KnownRequest): KnownRequest {
  const { grant, scopes } = authorised
  const isOfConfig = scopes === grant.scopes || scopes === grant.upstream.scopes
  return {
    ...structuredClone(read),
    policy,
    authorised: { ...authorised, scopes: isOfConfig ? scopes : structuredClone(scopes) },
  }
}
