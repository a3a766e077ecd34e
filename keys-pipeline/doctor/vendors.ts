import type { Alg } from '../algorithms.ts'
import type { PublicKey } from '../jwk.ts'

interface Vendor {
  title: string
  /** Published algorithms that it takes from a JWKS URL. */
  algs: readonly Alg[]
  /** What else it asks of the set or of the one who registers it. */
  note: string
  /** Where that stands; a guide of somebody else’s is named as such. */
  source: string
}

/** A row per EHR that takes `private_key_jwt` with a JWKS URL. */
export const VENDORS = {
  epic: {
    title: 'Epic',
    algs: ['RS384', 'RS256', 'RS512', 'ES384', 'ES256'],
    note: 'asks again for a kid that it does not know; keeps the set 29 h at most; 100 keys at most',
    source: 'Epic, OAuth 2.0 Specification',
  },
  'oracle-health': {
    title: 'Oracle Health',
    algs: ['RS384', 'ES384'],
    note: 'the set belongs to a system account',
    source: 'SMART configuration of its authorization server',
  },
  athenahealth: {
    title: 'athenahealth',
    algs: ['RS384'],
    note: 'preview and production are two apps, and each needs the set',
    source: 'Nango’s guide to athenahealth',
  },
  eclinicalworks: {
    title: 'eClinicalWorks',
    algs: ['RS384'],
    note: 'its staff must allow the URL first',
    source: 'Nango’s and DoorDoc’s guides to eClinicalWorks',
  },
  modmed: {
    title: 'ModMed',
    algs: ['ES384'],
    note: 'the URL must be public and stable',
    source: 'Nango’s guide to ModMed',
  },
  meditech: {
    title: 'MEDITECH',
    algs: ['RS384', 'ES384'],
    note: 'says only private_key_jwt; these are the two that SMART asks for',
    source: 'SMART configuration of Greenfield · SMART App Launch 2.2',
  },
  medplum: {
    title: 'Medplum',
    algs: ['RS384', 'RS256', 'RS512', 'ES384', 'ES256'],
    note: 'asks for the set on every request',
    source: 'Medplum’s source, packages/server/src/oauth/token.ts',
  },
} as const satisfies Record<string, Vendor>

export type VendorName = keyof typeof VENDORS

export const VENDOR_NAMES = Object.keys(VENDORS) as VendorName[]

/** What one vendor takes of a key set. */
export interface Taken extends Vendor {
  name: VendorName
  takes: number
  of: number
}

export function takenBy(name: VendorName, keys: readonly PublicKey[]): Taken {
  const vendor: Vendor = VENDORS[name]
  const takes = keys.filter(({ jwk }) => vendor.algs.includes(jwk.alg)).length
  return { name, ...vendor, takes, of: keys.length }
}
