import { PROFILES } from '../../broker/profiles.ts'
import type { Upstream } from '../../broker/upstream/upstream.ts'

/** An upstream as a config settles it, with what a test changes. */
export const upstream = (parts: Partial<Upstream> = {}): Upstream => ({
  id: 'ehr',
  fhirBase: 'https://ehr.example.com/FHIR/R4',
  tokenEndpoint: 'https://ehr.example.com/oauth2/token',
  clientId: 'our-client',
  environment: 'nonprod',
  scopes: ['system/Patient.read'],
  profileName: 'smart',
  profile: PROFILES.smart,
  alg: 'RS384',
  pinnedKids: null,
  assertionAudience: null,
  ca: null,
  ...{ identity: null, deadline: 5, concurrency: 4, keepWarm: false },
  ...parts,
})
