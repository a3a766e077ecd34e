import type { Policy } from './access/policy.ts'
import { type Clock, isOver, type Span } from './clock.ts'
import type { KnownRequest } from './issue-token.ts'

/** Token requests that were granted, by the SHA-256 of all that they were granted for: no secret is kept. */
export interface KnownRequests {
  /** Undefined where it is not known, or not any more: another policy is in force, or the credential proves nothing now. */
  recall: (digest: string) => KnownRequest | undefined
  remember: (digest: string, known: KnownRequest) => void
}

/** Requests. A hundred services with five hundred upstreams each; of more, the least recently used are read anew. */
const MOST = 50_000

/**
 * What a secret proves, and what policy says to the same question, is the same for the same bytes as long as the config
 * stands; so it is found out once. What changes meanwhile is not remembered: limits, the token, its life, the record.
 */
export function openKnownRequests(
  clock: Clock,
  policy: () => Policy,
  most: number = MOST,
): KnownRequests {
  const requests = new Map<string, { known: KnownRequest; proves: Span }>()
  let of: Policy | null = null
  const current = (): typeof requests => {
    if (of !== policy()) requests.clear()
    of = policy()
    return requests
  }
  return {
    recall: digest => {
      const found = current().get(digest)
      if (found === undefined) return undefined
      requests.delete(digest)
      if (isOver(found.proves, clock())) return undefined
      requests.set(digest, found)
      return found.known
    },
    remember: (digest, known) => {
      // Granted under a config that was replaced while it waited for the EHR.
      if (known.policy !== policy()) return
      const { provesFor } = known.caller
      if (provesFor <= 0) return
      current().set(digest, { known, proves: { since: clock(), for: provesFor } })
      const [oldest] = requests.size > most ? requests.keys() : []
      if (oldest !== undefined) requests.delete(oldest)
    },
  }
}
