/** What a first config is filled in with. */
export interface Start {
  fhirBase: string
  tokenEndpoint: string
  profile: string
  upstream: string
}

/** Public sandboxes by name. @see Epic on FHIR, "Sandbox URIs" */
export const SANDBOXES = {
  epic: {
    upstream: 'epic-sandbox',
    fhirBase: 'https://fhir.epic.com/interconnect-fhir-oauth/api/FHIR/R4',
    tokenEndpoint: 'https://fhir.epic.com/interconnect-fhir-oauth/oauth2/token',
    profile: 'epic',
  },
} as const satisfies Record<string, Start>

export const BLANK: Start = {
  upstream: 'my-ehr',
  fhirBase: 'https://ehr.example.com/api/FHIR/R4',
  tokenEndpoint: 'https://ehr.example.com/oauth2/token',
  profile: 'smart',
}

/** A commented config with one upstream and one service. Every setting: broker/README.md. */
export function firstConfig(
  { upstream, fhirBase, tokenEndpoint, profile }: Start,
  secretSha256: string,
  keyFolder: string,
): string {
  return `# Lockstep broker. Paths are relative to this file; every setting is explained in broker/README.md.

# The URL under which services know this broker.
issuer: http://127.0.0.1:8400

# Only this machine can reach a loopback address. For others: tls, or behindProxy: true where a proxy terminates TLS.
listen:
  host: 127.0.0.1
  port: 8400

# One line per decision, good or bad, written before the reply leaves.
audit:
  file: audit.ndjson

# Private keys, made by: npm run -s keys -- generate --environment nonprod
keys:
  nonprod:
    folder: ${JSON.stringify(keyFolder)}
    # The URL that is registered at the EHR. The broker watches it: a new key signs nothing until it has been there for
    # long enough, and diagnose looks whether it is there.
    # jwksUrl: https://YOUR-HOST/nonprod/.well-known/jwks.json

# One entry per EHR tenant and client ID.
upstreams:
  ${upstream}:
    fhirBase: ${fhirBase}
    tokenEndpoint: ${tokenEndpoint}
    # The non-production client ID of your app, as the EHR shows it.
    clientId: REPLACE-WITH-YOUR-CLIENT-ID
    environment: nonprod
    profile: ${profile}
    # What the app was registered with. Epic grants all of it whatever is asked: to give one service less than
    # another, register two apps and make two upstreams.
    scopes:
      - system/Patient.read

# One entry per internal service. Its client_id is the name here; its secret was shown once, and here is its hash.
# Another secret: npm run -s broker -- service-secret
services:
  my-service:
    secretSha256:
      - ${secretSha256}
    grants:
      - upstream: ${upstream}
        scopes: [system/Patient.read]
`
}
