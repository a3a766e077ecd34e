import type { Alg } from '../../keys-pipeline/algorithms.ts'

/** A key of an environment, as this replica knows it. Times are milliseconds since the epoch. */
export interface KeyFacts {
  thumbprint: string
  kid: string
  alg: Alg
  /** When it was made. */
  created: number
  /** A standby signs for nobody until another key is revoked. */
  role: 'signer' | 'standby'
  /** Its private half is here, so that it can sign. */
  isHere: boolean
  revokedAt: number | null
  /** Another key has said that this one signs no more: it does so only where nothing else that is proven is there. */
  isReleased: boolean
}

/** An upstream as far as keys go. */
export interface UpstreamFacts {
  id: string
  alg: Alg
  /** How it deals with a kid that its copy of the set has not. */
  reader: Reader
  /** The kids that a hospital has loaded by hand; null where it fetches the URL. */
  pinned: readonly string[] | null
}

export interface Reader {
  /** It fetches the set anew for a kid that it does not know. */
  refetches: boolean
  /** Seconds that it keeps a set at most, by its documentation; null where that is silent. */
  keeps: number | null
}

/** What came of the calls to one upstream, kept through restarts. Times are milliseconds since the epoch. */
export interface KeyRecord {
  /** Thumbprint of the key that signed for it last. */
  inUse: string | null
  /** By thumbprint, when it last accepted the key. */
  accepted: Readonly<Record<string, number>>
  /** By thumbprint, when it was first asked with the key, and whether it ever answered. */
  asked: Readonly<Record<string, { first: number; hasAnswered: boolean }>>
  /** How often in a row it said no to a key that it never accepted. */
  refused: { thumbprint: string; times: number } | null
  /** A key that it does not take yet, and when it is tried again. */
  fallback: { from: string; until: number; delay: number } | null
}

export const NO_RECORD: KeyRecord = {
  ...{ inUse: null, accepted: {}, asked: {}, refused: null, fallback: null },
}
