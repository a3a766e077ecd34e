import { stringify } from 'yaml'
import type { LocalEpic } from './local-epic.ts'

/** `publisher.yaml` of the demo. */
export const demoSettings = (baseUrl: string): string =>
  stringify({
    baseUrl,
    environments: {
      production: { path: '.well-known/jwks.json' },
      nonprod: { path: 'nonprod/.well-known/jwks.json' },
    },
    guard: { live: 1200, retired: 1500 },
  })

/** `broker.yaml` of the demo: two apps at one FHIR base, so that each service can have less than the other. */
export function demoConfig({
  issuer,
  site,
  epic,
  scheduling,
  billing,
}: {
  issuer: string
  site: string
  epic: LocalEpic
  scheduling: string
  billing: string
}): string {
  // In earnest the guard is worked out; nobody watches a demo for 29 hours.
  const keys = (environment: string, path: string) => ({
    folder: `private/${environment}`,
    ...{ jwksUrl: `${site}/${path}`, ca: 'ca.pem', guard: 5 },
  })
  const upstream = (clientId: string, environment: string, scope: string) => ({
    fhirBase: epic.fhirBase,
    tokenEndpoint: epic.tokenUrl,
    clientId,
    environment,
    profile: 'epic',
    scopes: [scope],
    ca: 'ca.pem',
  })
  return stringify({
    issuer,
    listen: { port: Number(new URL(issuer).port) },
    audit: { file: 'audit.ndjson' },
    keys: {
      production: keys('production', '.well-known/jwks.json'),
      nonprod: keys('nonprod', 'nonprod/.well-known/jwks.json'),
    },
    upstreams: {
      'epic-patients': upstream('app-patients', 'nonprod', 'system/Patient.read'),
      'epic-coverage': upstream('app-coverage', 'nonprod', 'system/Coverage.read'),
      'epic-mixed-up': upstream('app-mixed-up', 'production', 'system/Patient.read'),
    },
    services: {
      scheduling: {
        secretSha256: [scheduling],
        grants: [{ upstream: 'epic-patients', scopes: ['system/Patient.read'] }],
      },
      billing: {
        secretSha256: [billing],
        grants: [
          { upstream: 'epic-coverage', scopes: ['system/Coverage.read'] },
          { upstream: 'epic-mixed-up', scopes: ['system/Patient.read'] },
        ],
      },
    },
  })
}
