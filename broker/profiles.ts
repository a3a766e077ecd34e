import type { Alg } from '../keys-pipeline/algorithms.ts'
import type { Reader } from './keys/key-facts.ts'

/** What one vendor's token endpoint wants. */
export interface Profile {
  alg: Alg
  /** The JOSE header `typ`; SMART and Epic take `JWT` and nothing else. */
  typ: 'JWT'
  /** `fixed-by-app`: the EHR grants what the app has, whatever is asked. `by-request`: it grants what is asked. */
  scopes: 'fixed-by-app' | 'by-request'
  /** Seconds that a token lives when the reply does not say. */
  defaultLife: number
  /** How it reads our key set. */
  reader: Reader
}

/** Nothing is documented. */
const reader: Reader = { refetches: false, keeps: null }
const smart: Profile = {
  ...{ alg: 'RS384', typ: 'JWT', scopes: 'by-request', defaultLife: 300 },
  reader,
}
/** Epic fetches once for a JWT that its copy does not verify; Medplum keeps no copy. */
const refetching: Reader = { refetches: true, keeps: null }

/** @see SMART App Launch 2.2 "Backend Services" · each vendor's own documentation */
export const PROFILES = {
  smart,
  epic: { ...smart, scopes: 'fixed-by-app', reader: refetching },
  'oracle-health': smart,
  athenahealth: smart,
  eclinicalworks: smart,
  medplum: { ...smart, reader: refetching },
  modmed: { ...smart, alg: 'ES384' },
} as const satisfies Record<string, Profile>

export type ProfileName = keyof typeof PROFILES
