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

/** The client ID of the app that people start. */
export const PEOPLES_APP = 'app-people'

/** Where the broker sends a person back to: a page of scheduling, which the demo has not. */
export const RETURN_URL = 'https://scheduling.example.com/connected'

/** `broker.yaml` of the demo: two apps at one FHIR base, so that each service can have less than the other. */
export function demoConfig({
  issuer,
  site,
  epic,
  scheduling,
  billing,
  publicUrl,
}: {
  issuer: string
  site: string
  epic: LocalEpic
  scheduling: string
  billing: string
  /** Where people's browsers come. */
  publicUrl: string
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
    launch: {
      listen: { port: Number(new URL(publicUrl).port) },
      ...{ publicUrl, sealKeys: ['seal'] },
    },
    upstreams: {
      'epic-patients': {
        ...upstream('app-patients', 'nonprod', 'system/Patient.read'),
        launch: {
          clientId: PEOPLES_APP,
          authorizationEndpoint: epic.authorizeUrl,
          ...{ scopes: ['patient/Patient.read'], offline: true },
          ...{ service: 'scheduling', returnUrl: RETURN_URL },
        },
      },
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
