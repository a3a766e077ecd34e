import type { Alg } from '../../keys-pipeline/algorithms.ts'
import type { KeyRecord } from './key-facts.ts'
import type { Watched } from './sightings.ts'

/** What one environment's keys are known by, kept through restarts. Times are milliseconds since the epoch. */
export interface KeyState {
  /** From when on what is here is complete: before, anything may have been signed by any key. */
  since: number
  /** Where it was watched; null where it was not. */
  url: string | null
  watched: Watched
  /** By thumbprint, when each key was made, as far as was known when it was first seen here. */
  created: Readonly<Record<string, number>>
  /** By thumbprint, the kid and alg under which the live set had it last: what an EHR knows it by. */
  published: Readonly<Record<string, { kid: string; alg: Alg }>>
  /** By upstream id. */
  records: Readonly<Record<string, KeyRecord>>
  /** By thumbprint. */
  lastSigned: Readonly<Record<string, number>>
  /** By thumbprint, for ever. */
  revoked: Readonly<Record<string, { at: number; reason: string }>>
  /** Thumbprints of standbys that sign since a revocation. */
  promoted: readonly string[]
  rotations: readonly Rotation[]
  /** By thumbprint, the proofs of possession with which keys are proposed. */
  proofs: Readonly<Record<string, string>>
  withdrawals: readonly Withdrawal[]
  /** The name of this replica, and which change of what is under way it has; not there where nothing was ever shared. */
  shared?: { id: string; revision: number }
}

/** A key that is to come, from the wish to the end of what it replaces. */
export interface Rotation {
  id: string
  alg: Alg
  role: 'signer' | 'standby'
  because: 'schedule' | 'command' | 'revocation'
  asked: number
  /** Thumbprint; null until the key is made. */
  made: string | null
  /** The pull request that adds it, as GitHub numbers it; null until it is known. */
  proposal: number | null
  /** When that was known first. */
  proposedAt?: number
}

/** A key that is to go from the published set. */
export interface Withdrawal {
  thumbprint: string
  /** What the lifecycle file is to say of it. */
  at: number
  reason: string
  /** By a key that stays; null for a key that was revoked, and where the removal was taken back. */
  release: string | null
  /** The pull request that removes it, as GitHub numbers it; null until it is known. */
  proposal: number | null
  /** The broker has closed that, and opens it again when the key may go after all. */
  isTakenBack?: boolean
}
