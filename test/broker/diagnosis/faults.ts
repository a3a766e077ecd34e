import type { CauseCode } from '../../../broker/diagnosis/causes.ts'
import { NO_PAST, worked } from '../../../broker/diagnosis/past.ts'
import type { Reason } from '../../sandbox/refusal.ts'
import { type Hospital, keyOf, makeHospital } from '../../support/hospital.ts'
import { ecPair, once, rsaPair } from '../../support/keys.ts'
import { upstream } from '../../support/upstream.ts'

/** The keys of these tests: one signs, and the other two get in its way. */
export const signer = once(() => keyOf(ecPair('P-384'), 'ES384'))
const other = once(() => keyOf(ecPair('P-384', 1), 'ES384'))
const rsaSigner = once(() => keyOf(rsaPair(), 'RS384'))
const rsaOther = once(() => keyOf(rsaPair(1), 'RS384'))

/** Which causes are the truth where Epic's own log has this reason. */
export const TRUTH: Partial<Record<Reason | 'nothing_arrived', readonly CauseCode[]>> = {
  kid_not_in_set: [
    ...(['key_not_published', 'key_removed_too_early', 'key_not_live_yet'] as const),
    ...(['key_of_other_environment', 'key_under_other_kid'] as const),
  ],
  kid_not_unique: ['kid_not_unique'],
  signature_wrong: ['kid_names_other_key'],
  key_does_not_fit_alg: ['key_alg_differs'],
  key_set_unreachable: ['key_set_unreachable', 'key_set_not_served', 'ehr_cannot_fetch_set'],
  key_set_unreadable: ['key_set_not_served'],
  client_unknown: ['client_id_wrong'],
  client_of_other_environment: ['client_of_other_environment', 'client_id_wrong'],
  client_not_synced: ['not_synced_yet'],
  url_not_entered: ['not_set_up_here'],
  static_key_does_not_verify: ['key_is_pinned'],
  user_not_mapped: ['user_not_mapped'],
  expires_too_late: ['clock_differs'],
  expired: ['clock_differs'],
  audience_wrong: ['audience_exception', 'endpoint_differs', 'proxy_hides_url'],
  jti_replayed: ['request_changed'],
  assertion_type_wrong: ['request_changed'],
  scope_not_in_app: ['scopes_not_in_app'],
  nothing_arrived: ['certificate_untrusted'],
}

export type Before = 'never' | 'same_key' | 'other_key'
export type Siblings = 'none' | 'work' | 'fail'

export interface Fault {
  name: string
  /** What Epic's own log must say. */
  reason: Reason | 'nothing_arrived'
  /** What somebody who knew would name. */
  cause: CauseCode
  arrange: (hospital: Hospital) => unknown
  /** Whether it may have worked before: the first is scripted, the others may be drawn. */
  before: readonly [Before, ...Before[]]
  /** What others with the same client ID may do meanwhile; the first is scripted. */
  siblings: readonly [Siblings, ...Siblings[]]
  /** It is over after the sync: the set-up is new. */
  isNew?: true
  make?: () => Promise<Hospital>
}

const fault = (
  name: string,
  reason: Fault['reason'],
  cause: CauseCode,
  arrange: Fault['arrange'],
  more: Partial<Fault> = {},
): Fault => ({ name, reason, cause, arrange, before: ['never'], siblings: ['none'], ...more })

const ANY_PAST = { before: ['never', 'same_key'], siblings: ['none', 'work', 'fail'] } as const
const OURS = { before: ['never'], siblings: ['none', 'fail'] } as const
const ONCE_GOOD = { before: ['same_key'], siblings: ['none', 'work', 'fail'] } as const

export const FAULTS: readonly Fault[] = [
  fault(
    'the key is not published',
    'kid_not_in_set',
    'key_not_published',
    ({ publish }) => publish(other().jwk),
    OURS,
  ),
  fault(
    'it is published under another kid',
    'kid_not_in_set',
    'key_under_other_kid',
    ({ publish, key }) => publish({ ...key.jwk, kid: 'another' }),
    ANY_PAST,
  ),
  fault(
    'it is published without a kid',
    'kid_not_in_set',
    'key_under_other_kid',
    ({ publish, key: { jwk } }) => {
      const { kid: _, ...bare } = jwk
      publish(bare)
    },
    ANY_PAST,
  ),
  fault(
    'its kid names other material',
    'signature_wrong',
    'kid_names_other_key',
    ({ publish, key }) => publish({ ...other().jwk, kid: key.kid }),
    ANY_PAST,
  ),
  fault(
    'its kid is there twice',
    'kid_not_unique',
    'kid_not_unique',
    ({ publish, key }) => publish(key.jwk, { ...other().jwk, kid: key.kid }),
    ANY_PAST,
  ),
  fault(
    'it is published for another alg',
    'key_does_not_fit_alg',
    'key_alg_differs',
    ({ publish, key }) => publish({ ...key.jwk, alg: 'RS256' }),
    { ...ANY_PAST, make: () => makeHospital(rsaSigner()) },
  ),
  fault(
    'the old key was removed too early',
    'kid_not_in_set',
    'key_removed_too_early',
    ({ publish }) => publish(other().jwk),
    ONCE_GOOD,
  ),
  fault(
    'a new key signs before it is live',
    'kid_not_in_set',
    'key_not_live_yet',
    ({ publish }) => publish(other().jwk),
    { before: ['other_key'], siblings: ['none', 'fail'] },
  ),
  fault(
    'the key of the other environment signs',
    'kid_not_in_set',
    'key_of_other_environment',
    hospital => {
      hospital.publish(other().jwk)
      hospital.site.set('/production.json', { body: JSON.stringify({ keys: [hospital.key.jwk] }) })
      hospital.setUrls = new Map([
        ['nonprod', hospital.setUrl],
        ['production', hospital.setUrl.replace('set.json', 'production.json')],
      ])
    },
    OURS,
  ),
  fault(
    'the URL answers with a page',
    'key_set_unreadable',
    'key_set_not_served',
    ({ site }) => site.set('/set.json', { type: 'text/html', body: '<!doctype html><p>Welcome' }),
    ANY_PAST,
  ),
  fault(
    'the URL redirects',
    'key_set_unreachable',
    'key_set_not_served',
    ({ site }) => site.set('/set.json', { status: 301, headers: { location: '/elsewhere.json' } }),
    ANY_PAST,
  ),
  fault(
    'the URL is gone',
    'key_set_unreachable',
    'key_set_not_served',
    ({ site }) => site.delete('/set.json'),
    ANY_PAST,
  ),
  fault(
    'the host of the URL is down',
    'key_set_unreachable',
    'key_set_unreachable',
    async hospital => {
      const dead = 'https://127.0.0.1:1/set.json'
      hospital.setUrls = new Map([['nonprod', dead]])
      hospital.epic.keySets.isBlocked = true
    },
    ANY_PAST,
  ),
  fault(
    'the hospital alone cannot fetch the set',
    'key_set_unreachable',
    'ehr_cannot_fetch_set',
    ({ epic }) => {
      epic.keySets.isBlocked = true
    },
    { before: ['never', 'same_key', 'other_key'], siblings: ['work', 'none'] },
  ),
  fault(
    'the client ID is unknown',
    'client_unknown',
    'client_id_wrong',
    hospital => {
      hospital.upstream = { ...hospital.upstream, clientId: 'mistyped' }
    },
    OURS,
  ),
  fault(
    'the client ID is of the other environment',
    'client_of_other_environment',
    'client_of_other_environment',
    async ({ register, others }) => {
      await register({ environment: 'production' })
      others.push(upstream({ id: 'live', clientId: 'app', environment: 'production' }))
    },
    OURS,
  ),
  fault(
    'the record is not synced yet',
    'client_not_synced',
    'not_synced_yet',
    ({ register, epicClock }) => register({ syncedAt: epicClock.now() + 3_600_000 }),
    { isNew: true, siblings: ['work', 'none', 'fail'] },
  ),
  fault(
    'the hospital was upgraded and has not entered the URL',
    'url_not_entered',
    'not_set_up_here',
    ({ epic }) => {
      epic.asksForLocalUrl = true
    },
    { before: ['same_key', 'never'], siblings: ['work', 'none'] },
  ),
  fault(
    'a stale static key wins over the URL',
    'static_key_does_not_verify',
    'key_is_pinned',
    ({ register }) => register({ staticKeys: [rsaOther().jwk] }),
    { before: ['other_key'], siblings: ['work', 'none'], make: () => makeHospital(rsaSigner()) },
  ),
  fault(
    'the hospital has not mapped the client to a user',
    'user_not_mapped',
    'user_not_mapped',
    ({ register }) => register({ userMapped: false }),
    ANY_PAST,
  ),
  fault(
    'our clock is 90 s fast',
    'expires_too_late',
    'clock_differs',
    ({ clock }) => clock.advance(90),
    ANY_PAST,
  ),
  fault(
    'our clock is 250 s slow',
    'expired',
    'clock_differs',
    ({ epicClock }) => epicClock.advance(250),
    ANY_PAST,
  ),
  fault('the exception for aud is wrong', 'audience_wrong', 'audience_exception', hospital => {
    const assertionAudience = { value: 'https://inside.example.com/token', reason: 'their proxy' }
    hospital.upstream = { ...hospital.upstream, assertionAudience }
  }),
  fault('the endpoint is in another case', 'audience_wrong', 'endpoint_differs', hospital => {
    const tokenEndpoint = hospital.upstream.tokenEndpoint.replace('/token', '/Token')
    hospital.upstream = { ...hospital.upstream, tokenEndpoint }
  }),
  fault('the endpoint has a slash too many', 'audience_wrong', 'endpoint_differs', hospital => {
    const tokenEndpoint = `${hospital.upstream.tokenEndpoint}/`
    hospital.upstream = { ...hospital.upstream, tokenEndpoint }
  }),
  fault(
    'the hospital’s proxy hides the URL',
    'audience_wrong',
    'proxy_hides_url',
    ({ putBetween }) => putBetween({}),
    { siblings: ['none', 'work', 'fail'] },
  ),
  fault(
    'a gateway repeats requests',
    'jti_replayed',
    'request_changed',
    async hospital => {
      await hospital.putBetween({ repeats: true })
      hospital.epic.audiences.push(hospital.upstream.tokenEndpoint)
    },
    { before: ['same_key'], siblings: ['none', 'work'] },
  ),
  fault(
    'a gateway alters the request',
    'assertion_type_wrong',
    'request_changed',
    async hospital => {
      await hospital.putBetween({ alters: form => form.set('client_assertion_type', 'jwt') })
      hospital.epic.audiences.push(hospital.upstream.tokenEndpoint)
    },
    { before: ['same_key'], siblings: ['none', 'work'] },
  ),
  fault(
    'the app has none of the scopes',
    'scope_not_in_app',
    'scopes_not_in_app',
    ({ register }) => register({ scopes: ['system/Task.read'] }),
    { ...ANY_PAST, make: () => makeHospital(signer(), { grants: 'by-request' }) },
  ),
  fault(
    'somebody intercepts TLS',
    'nothing_arrived',
    'certificate_untrusted',
    ({ putBetween }) => putBetween({ isStranger: true }),
    ANY_PAST,
  ),
]

export interface Circumstances {
  before: Before
  siblings: Siblings
  /** Seconds since the config changed. */
  configAge: number
  /** Failed calls since the last success, or since the beginning. */
  failures: number
  /** Other clients of ours, at other EHRs. */
  unrelated: number
  /** Seconds by which the hospital's clock is ahead: no more than an assertion bears. */
  skew: number
}

/** The past of the upstream and of others, as the circumstances have it. */
export function surround(hospital: Hospital, circumstances: Circumstances): void {
  const { before, siblings, configAge, failures, unrelated, skew } = circumstances
  const { clock, epicClock, key, pasts, others } = hospital
  if (skew > 0) epicClock.advance(skew)
  else clock.advance(-skew)
  const ago = (seconds: number): number => clock.now() - seconds * 1000
  hospital.configAge = configAge
  const kid = before === 'other_key' ? otherKid(hospital) : key.kid
  const past = before === 'never' ? NO_PAST : worked(NO_PAST, ago(7_200), kid)
  const firstTry =
    before === 'never' && failures > 0 ? ago(Math.min(configAge, 600)) : past.firstTry
  pasts.set('here', {
    ...past,
    ...{ firstTry, failures },
  })
  const add = (id: string, clientId: string, works: boolean): void => {
    others.push(upstream({ id, clientId, tokenEndpoint: `https://${id}.example.com/token` }))
    const good = works ? worked(NO_PAST, ago(300), key.kid) : NO_PAST
    pasts.set(id, { ...good, failures: works ? 0 : 1, firstTry: ago(300) })
  }
  const { clientId } = hospital.upstream
  if (siblings !== 'none') {
    for (const id of ['there', 'elsewhere']) add(id, clientId, siblings === 'work')
  }
  for (let count = 0; count < unrelated; count++) add(`unrelated-${count}`, `client-${count}`, true)
}

const otherKid = ({ key }: Hospital): string => (key.alg === 'RS384' ? rsaOther().kid : other().kid)
