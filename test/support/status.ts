import type { FhirRoutes } from '../../broker/http/fhir-routes.ts'
import type { KeyRoutes } from '../../broker/http/key-routes.ts'
import type { KeyLine, KeyOverview } from '../../broker/keys/overview.ts'
import type { Status, UpstreamStatus } from '../../broker/status.ts'

/** An upstream that nobody has asked yet, with what a test changes. */
export const upstreamStatus = (parts: Partial<UpstreamStatus> = {}): UpstreamStatus => ({
  id: 'ehr',
  fhirBase: 'https://ehr.example.com/FHIR/R4',
  environment: 'production',
  clientId: 'our-client',
  profile: 'epic',
  kid: 'kid-1',
  keySince: '2026-11-01T00:00:00.000Z',
  ...{ because: 'newest', signsSince: '2026-11-02T00:00:00.000Z' },
  state: 'untried',
  lastSuccess: null,
  lastFailure: null,
  failures: 0,
  breaker: 'closed',
  skew: null,
  causes: [],
  tokens: [],
  ...parts,
})

export const statusWith = (
  upstreams: UpstreamStatus[] = [],
  parts: Partial<Status> = {},
): Status => ({
  time: '2026-11-25T12:00:00.000Z',
  startedAt: '2026-11-22T09:30:00.000Z',
  config: 'c0ffee'.repeat(10),
  configRefused: null,
  upstreams,
  ...{ keys: [], disabled: [], refusals: [] },
  ...parts,
})

/** A key that has signed for three upstreams for weeks, with what a test changes. */
export const keyStatus = (parts: Partial<KeyLine> = {}): KeyLine => ({
  ...{ kid: 'kid-1', thumbprint: 'print-1', alg: 'RS384', role: 'signer', here: true },
  ...{ created: '2026-11-01T00:00:00.000Z', liveSince: '2026-11-02T00:00:00.000Z' },
  ...{ lastSigned: '2026-11-25T11:58:00.000Z', revoked: null, signsFor: 3 },
  ...{ state: 'signing', since: '2026-11-02T00:00:00.000Z', waitsFor: [] },
  marks: [
    { state: 'made', at: '2026-11-01T00:00:00.000Z' },
    { state: 'live', at: '2026-11-02T00:00:00.000Z' },
    { state: 'proven', at: '2026-11-02T00:20:00.000Z' },
    { state: 'signing', at: '2026-11-02T00:21:00.000Z' },
  ],
  next: { state: 'resting', earliest: '2027-01-30T00:00:00.000Z' },
  ...parts,
})

/** The keys of an environment whose set was seen a minute ago. */
export const environmentStatus = (parts: Partial<KeyOverview> = {}): KeyOverview => ({
  ...{ environment: 'production', jwksUrl: 'https://keys.example.com/jwks.json' },
  ...{ lastRound: '2026-11-25T11:59:00.000Z', lastTold: '2026-11-25T11:59:00.000Z' },
  ...{ alarms: [], keys: [], replicas: [], rotations: [], steps: [] },
  ...parts,
})

/** An operator's listener that calls no FHIR server. */
export const NO_FHIR: FhirRoutes = {
  check: () => Promise.reject(new Error('not here')),
  newId: () => 'an-id',
}

/** A broker about whose keys nothing is to be said. */
export const NO_KEYS: KeyRoutes = {
  latest: async () => [],
  record: async () => {},
  orders: {
    rotate: async () => [],
    revoke: () => {
      throw new Error('not here')
    },
    release: () => Promise.reject(new Error('not here')),
  },
}
