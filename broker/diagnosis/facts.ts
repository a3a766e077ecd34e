import type { Environment } from '../../keys-pipeline/key-set.ts'
import type { PublishedFault } from '../../keys-pipeline/published.ts'
import type { ErrorCode } from '../errors.ts'
import type { Upstream } from '../upstream/upstream.ts'

/** All that is known about an upstream when it said no. Times are seconds before now; null is what nobody knows. */
export interface Facts {
  upstream: Upstream
  token: TokenOutcome
  /** The key that signs for it; null where there is none. */
  key: KeyFacts | null
  /** What its environment's URL shows. */
  set: SetSeen
  /** Whether the other environment's set holds the key that signs. */
  isInOtherSet: boolean | null
  /** Seconds by which the EHR's clock is ahead of ours. */
  skew: number | null
  /** Seconds before and after the moment of signing in which an assertion is good. */
  assertion: { backdated: number; life: number }
  /** The token endpoint that the EHR itself names in its SMART configuration. */
  namedEndpoint: string | null
  /** Somebody between us and the EHR says so (RFC 9110 §7.6.3). */
  hasGateway: boolean
  past: PastFacts
  /** Since the config file last changed. */
  configAge: number | null
  others: readonly OtherUpstream[]
  /** What its FHIR server said, where it was asked. */
  fhir: { metadata: FhirAnswer | null; patient: FhirAnswer | null }
}

export type TokenOutcome =
  | { outcome: 'granted' }
  | { outcome: 'not_asked' }
  | { outcome: 'refused'; code: ErrorCode; status: number | null; reason: string | null }

export interface KeyFacts {
  kid: string
  alg: string
  /** RFC 7638. */
  thumbprint: string
}

export type SetSeen =
  | { state: 'no_url' }
  | { state: PublishedFault }
  | {
      state: 'key_set'
      keys: number
      /** The media type is one that JSON has. */
      isTyped: boolean
      /** Since the set last changed, by Last-Modified. */
      age: number | null
      ours: OursSeen
    }

/** What a key set has of the key that signs. `other_key`, `unreadable` and `twice` are about its kid. */
export type OursSeen =
  | { state: 'there' | 'absent' | 'without_kid' | 'other_key' | 'unreadable' | 'twice' }
  | { state: 'other_kid'; kid: string }
  | { state: 'other_alg' }

export interface PastFacts {
  /** Since it last gave a token, and to which key. */
  worked: number | null
  kid: string | null
  /** Since it was first asked, as far back as the record goes. */
  tried: number | null
  /** How many refusals and failures there were since. */
  failures: number
}

/** Another upstream of the config. */
export interface OtherUpstream {
  id: string
  clientId: string
  environment: Environment
  tokenEndpoint: string
  /** Whether its last call gave a token; null where none was made. */
  works: boolean | null
  /** The kid that it last accepted. */
  kid: string | null
}

/** `scope`: the token lacks the scope; `user`: the user behind it may not. */
export interface FhirAnswer {
  /** 0 where no answer came. */
  status: number
  lacks: 'scope' | 'user' | null
}

/** How well a cause explains the facts: 0 to 100, from 80 on because the fault itself was seen. */
export interface Fit {
  weight: number
  because: string
}

export type Fits = (facts: Facts) => Fit | null
