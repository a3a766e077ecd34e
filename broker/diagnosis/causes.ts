import type { Fits } from './facts.ts'
import * as key from './key-signs.ts'
import * as registration from './registration-signs.ts'
import * as request from './request-signs.ts'

/** Who must act: we, the hospital that runs the EHR, or one of us in the vendor's developer portal. */
export type Who = 'us' | 'hospital' | 'portal'

interface Row {
  who: Who
  means: string
  fix: string
  source: string
  /** When it explains what is known, and how well. */
  fits: Fits
}

const row = (who: Who, fits: Fits, means: string, fix: string, source: string): Row => ({
  ...{ who, means, fix, source, fits },
})

const EPIC = 'Epic, OAuth 2.0 Specification'
const SMART = 'SMART App Launch 2.2, Asymmetric Authentication'
const MANDEL = 'J. Mandel, “I registered Health Skillz at 500 organizations”, 2026'
const TROUBLE = 'Epic, Troubleshooting'
const OAUTH = 'RFC 6749 §5.2'
const TLS = 'RFC 9525 · RFC 5280 §6'

/** Why an EHR says no, a row per cause. Codes are stable: logs, `/status` and the manual name them. */
export const CAUSES = {
  key_not_published: row(
    'us',
    key.keyNotPublished,
    'The key that signs is not in the key set, and never was accepted.',
    'Publish its public half (npm run -s keys -- add), or take its private half out of the folder.',
    SMART,
  ),
  key_removed_too_early: row(
    'us',
    key.keyRemovedTooEarly,
    'The key was taken out of the set while it still signs.',
    'Put it back, or let a published key sign; retire a key only when it has stopped signing.',
    EPIC,
  ),
  key_not_live_yet: row(
    'us',
    key.keyNotLiveYet,
    'A new key signs before it is in the live set.',
    'Put the old key back into the folder until the new one is live and the guard time is over.',
    EPIC,
  ),
  key_of_other_environment: row(
    'us',
    key.keyOfOtherEnvironment,
    'The key that signs belongs to the other environment.',
    'Put the right folder under keys, or the right environment under the upstream.',
    EPIC,
  ),
  key_under_other_kid: row(
    'us',
    key.keyUnderOtherKid,
    'The key is published under another kid than the assertion names.',
    'Give the private JWK the kid that is published; a key keeps the kid that is registered.',
    SMART,
  ),
  kid_names_other_key: row(
    'us',
    key.kidNamesOtherKey,
    'The kid in the set names another key, so that no signature fits.',
    'Publish the key that signs under a kid of its own; never give an old kid new material.',
    SMART,
  ),
  kid_not_unique: row(
    'us',
    key.kidNotUnique,
    'Several keys of the set have this kid, which SMART servers refuse.',
    'Give each key a kid of its own, and publish again.',
    SMART,
  ),
  key_alg_differs: row(
    'us',
    key.keyAlgDiffers,
    'The key is published for another algorithm than it signs with.',
    'Give the private JWK the alg that is published, or publish the key with the other alg.',
    'RFC 7517 §4.4',
  ),
  key_set_unreachable: row(
    'us',
    key.keySetUnreachable,
    'The URL of the key set cannot be reached.',
    'Examine it: npm run -s keys -- doctor URL. Check DNS, the host and its certificate.',
    EPIC,
  ),
  key_set_not_served: row(
    'us',
    key.keySetNotServed,
    'The URL answers with something else than a key set.',
    'Examine it: npm run -s keys -- doctor URL. It wants 200, JSON, no redirect, no sign-in.',
    EPIC,
  ),
  clock_differs: row(
    'us',
    request.clockDiffers,
    'Our clock is too far from the EHR’s, so that assertions are expired or not valid yet.',
    'Set this machine’s clock by NTP; if ours is right, tell the hospital that its is not.',
    EPIC,
  ),
  audience_exception: row(
    'us',
    request.audienceException,
    'The aud that the config makes an exception for is not the one that the EHR expects.',
    'Take assertionAudience out, or ask the hospital which URL its server knows itself by.',
    EPIC,
  ),
  endpoint_differs: row(
    'us',
    request.endpointDiffers,
    'The token endpoint of the config is not the one that the EHR names, so that aud is wrong.',
    'Write tokenEndpoint as the EHR does: case, slash and host count.',
    'SMART App Launch 2.2, Conformance',
  ),
  proxy_hides_url: row(
    'hospital',
    request.proxyHidesUrl,
    'A proxy of the hospital hides the URL that we post to, and the EHR expects another aud.',
    'Ask its admins to allow our token endpoint as an audience, or make an assertionAudience.',
    EPIC,
  ),
  request_changed: row(
    'us',
    request.requestChanged,
    'Something between us and the EHR repeats or alters the request.',
    'Let calls to this host pass without inspection or retry: an assertion counts only once.',
    EPIC,
  ),
  grant_not_offered: row(
    'portal',
    request.grantNotOffered,
    'The endpoint does not offer client_credentials.',
    'Register the app as a backend system, and check that tokenEndpoint is the EHR’s own.',
    OAUTH,
  ),
  alg_not_taken: row(
    'us',
    request.algNotTaken,
    'The EHR may not take this algorithm; pasted EC keys are refused at some hospitals.',
    'Let the upstream use the profile’s alg, with a key of that algorithm published first.',
    `${EPIC} · vendors’ guides`,
  ),
  scopes_not_in_app: row(
    'portal',
    request.scopesNotInApp,
    'The app does not have the scopes that were asked for.',
    'Select the APIs in the app’s record, or take the scopes out of the config.',
    OAUTH,
  ),
  scope_style: row(
    'us',
    request.scopeStyle,
    'The EHR may know scopes of SMART v1 only.',
    'Write Patient.read in place of Patient.rs.',
    'SMART App Launch 2.2, Scopes',
  ),
  certificate_untrusted: row(
    'us',
    request.certificateUntrusted,
    'Somebody in between intercepts TLS, or the EHR has a private authority or a broken chain.',
    'Exempt this host from inspection; where the authority is the hospital’s own, give it as ca.',
    TLS,
  ),
  certificate_expired: row(
    'hospital',
    request.certificateExpired,
    'The EHR’s certificate has run out, or our clock is far off.',
    'Check this machine’s clock; then tell the hospital.',
    TLS,
  ),
  certificate_of_other_name: row(
    'us',
    request.certificateOfOtherName,
    'The host that answers has a certificate for another name.',
    'Check the host in tokenEndpoint, and what this machine’s DNS says of it.',
    TLS,
  ),
  tls_not_agreed: row(
    'hospital',
    request.tlsNotAgreed,
    'There is no TLS version in common, or the port speaks something else.',
    'Check the port in tokenEndpoint; the EHR must offer TLS 1.2 or later.',
    'RFC 8446 · RFC 9325',
  ),
  name_not_found: row(
    'us',
    request.nameNotFound,
    'The host of the token endpoint has no address here.',
    'Check its spelling, and whether this network’s DNS knows outside names.',
    'RFC 1034',
  ),
  way_out_blocked: row(
    'us',
    request.wayOutBlocked,
    'Our own network does not let this call out.',
    'Let this machine call the EHR’s host on its port, or name the proxy.',
    'RFC 9110 §7.6',
  ),
  ehr_is_down: row(
    'hospital',
    request.ehrIsDown,
    'The EHR does not answer.',
    'Wait; if it lasts, ask the hospital for its maintenance times, and about its firewall.',
    'RFC 9110 §15.6.4',
  ),
  client_id_wrong: row(
    'portal',
    registration.clientIdWrong,
    'The EHR does not know the client ID: mistyped, or that of the other environment.',
    'Compare it, letter by letter, with the one that the portal shows for this environment.',
    EPIC,
  ),
  client_of_other_environment: row(
    'portal',
    registration.clientOfOtherEnvironment,
    'The client ID is that of the other environment.',
    'Use the non-production ID for sandboxes and test systems, the production ID elsewhere.',
    EPIC,
  ),
  not_synced_yet: row(
    'portal',
    registration.notSyncedYet,
    'The record, or a change to it, has not reached the EHR yet.',
    'Wait: 60 min for a sandbox, 12 h for a hospital. Edit nothing meanwhile.',
    'Epic, App Creation and Sync',
  ),
  not_set_up_here: row(
    'hospital',
    registration.notSetUpHere,
    'The app is not set up here, or our URL is not entered (Epic asks for it from May 2026).',
    'Ask: record downloaded, keys enabled, URL in the right field, and entered as local JKU?',
    `${EPIC}, JWK Set URL · ${MANDEL}`,
  ),
  ehr_cannot_fetch_set: row(
    'hospital',
    registration.ehrCannotFetchSet,
    'The EHR’s own servers cannot fetch the key set: firewall, proxy or TLS inspection.',
    'Ask the hospital to let its Epic servers reach the set’s host on 443; else send the PEM.',
    MANDEL,
  ),
  key_is_pinned: row(
    'hospital',
    key.keyIsPinned,
    'The hospital holds an old key of ours, and does not look at the URL.',
    'Ask it to remove the old static key or to load the new PEM; sign with the old one till then.',
    EPIC,
  ),
  set_is_kept: row(
    'hospital',
    key.setIsKept,
    'The EHR keeps an older copy of the key set.',
    'Sign with the old key until it looks again, 29 h at most for Epic; then change.',
    EPIC,
  ),
  user_not_mapped: row(
    'hospital',
    registration.userNotMapped,
    'The hospital has not mapped the client ID to a background user.',
    'Ask its Epic staff (ECSA) to map it; a sandbox does so by itself.',
    TROUBLE,
  ),
  flaky_refusal: row(
    'us',
    registration.flakyRefusal,
    'The EHR answers a lone 400 now and then, and takes the next assertion.',
    'Nothing, unless it goes on: then look at the other causes.',
    'smart-on-fhir/cumulus-fhir-support, auth.py',
  ),
  scope_not_selected: row(
    'portal',
    registration.scopeNotSelected,
    'The token is good, and the API is not among the app’s.',
    'Select the API under Incoming APIs, and wait for the sync.',
    TROUBLE,
  ),
  user_may_not: row(
    'hospital',
    registration.userMayNot,
    'The token is good, and the background user may not see this.',
    'Ask the hospital for the security of the user that the client ID is mapped to.',
    TROUBLE,
  ),
  fhir_base_wrong: row(
    'us',
    registration.fhirBaseWrong,
    'The token is good, and there is no FHIR server at the FHIR base.',
    'Check fhirBase, with the version at its end: …/api/FHIR/R4.',
    'FHIR R4, RESTful API: capabilities',
  ),
} as const satisfies Record<string, Row>

export type CauseCode = keyof typeof CAUSES
