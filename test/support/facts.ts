import type { Facts } from '../../broker/diagnosis/facts.ts'
import { upstream } from './upstream.ts'

/** An upstream that said `invalid_client` though nothing on our side is wrong, with what a test changes. */
export const factsOf = (parts: Partial<Facts> = {}): Facts => ({
  upstream: upstream(),
  token: { outcome: 'refused', code: 'upstream_invalid_client', status: 400, reason: null },
  key: { kid: 'kid-1', alg: 'RS384', thumbprint: 'print-1' },
  set: { state: 'key_set', keys: 1, isTyped: true, age: null, ours: { state: 'there' } },
  isInOtherSet: null,
  skew: 0,
  assertion: { backdated: 60, life: 240 },
  namedEndpoint: null,
  hasGateway: false,
  past: { worked: null, kid: null, tried: null, failures: 0 },
  configAge: null,
  others: [],
  fhir: { metadata: null, patient: null },
  ...parts,
})

type Other = Facts['others'][number]

/** Another upstream, with the same client ID at another hospital unless a test says otherwise. */
export const another = (parts: Partial<Other> = {}): Other => ({
  ...{ id: 'there', clientId: 'our-client', environment: 'nonprod', kid: 'kid-1', works: true },
  tokenEndpoint: 'https://there.example.com/token',
  ...parts,
})

export const refusedWith = (
  code: Extract<Facts['token'], { code: string }>['code'],
  reason: string | null = null,
): Partial<Facts> => ({ token: { outcome: 'refused', code, status: null, reason } })
