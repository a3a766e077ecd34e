import type { Connection } from '../../broker/launch/connection.ts'
import type { LaunchTarget } from '../../broker/launch-config.ts'
import { upstream } from './upstream.ts'

/** An upstream as users log in to it, with what a test changes. */
export const launchTarget = (parts: Partial<LaunchTarget> = {}): LaunchTarget => ({
  upstream: upstream({ clientId: 'user-app' }),
  authorizationEndpoint: 'https://ehr.example.com/oauth2/authorize',
  ...{ issuer: null, scopes: ['patient/Patient.read'], offline: false, origins: null },
  service: null,
  ...parts,
})

/** One user's connection there, with what a test changes. */
export const connection = (parts: Partial<Connection> = {}): Connection => {
  const { fhirBase, tokenEndpoint, clientId, id } = launchTarget().upstream
  return {
    ...{ id: 'c'.repeat(22), upstream: id, fhirBase, tokenEndpoint, clientId, since: 0 },
    ...{ accessToken: 'access-1', life: 3600, expiresAt: 3_600_000, kid: 'kid' },
    ...{ scope: 'openid patient/Patient.read', refreshToken: 'refresh-1' },
    ...{ context: { patient: 'p1' }, identity: null, isOver: false, renewing: null },
    ...{ code: null, handle: null },
    ...parts,
  }
}
