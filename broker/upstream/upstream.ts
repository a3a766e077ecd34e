import type { Alg } from '../../keys-pipeline/algorithms.ts'
import type { Environment } from '../../keys-pipeline/key-set.ts'
import type { Profile, ProfileName } from '../profiles.ts'

/** One EHR tenant under one client ID, as the config settles it. */
export interface Upstream {
  id: string
  fhirBase: string
  tokenEndpoint: string
  clientId: string
  environment: Environment
  scopes: readonly string[]
  profileName: ProfileName
  profile: Profile
  alg: Alg
  /** The kids that the hospital has loaded by hand; null where it fetches our URL. */
  pinnedKids: readonly string[] | null
  /** The explicit exception to "aud is the URL posted to", with its reason. */
  assertionAudience: { value: string; reason: string } | null
  /** PEM of the certificate authorities trusted for this upstream; null for the system's. */
  ca: string | null
  /** PEM of the certificate that we show to this upstream; null for none. */
  identity: { cert: string; key: string } | null
  /** Seconds that all attempts to get one token have together. */
  deadline: number
  /** Calls at once. */
  concurrency: number
  /** Kept fresh whether anybody asks or not. */
  keepWarm: boolean
}

/** An upstream that is switched off: known, and no token is had there. */
export interface DisabledUpstream {
  id: string
  fhirBase: string
  reason: string
}
