import { ALGORITHMS } from '../../keys-pipeline/algorithms.ts'
import { span } from '../../keys-pipeline/words.ts'
import type { ErrorCode } from '../errors.ts'
import type { Facts, Fits } from './facts.ts'
import {
  failedWith,
  isRefused,
  mayBeRefused,
  neighbours,
  reasonOf,
  weigh,
  working,
} from './outcome.ts'

/** Seconds within which the Date of a reply and a network's delay may mislead. */
const UNSURE = 5

export const clockDiffers: Fits = facts => {
  const { skew, assertion } = facts
  if (skew === null || !mayBeRefused(facts)) return null
  const beyond = skew < 0 ? -skew - assertion.backdated : skew - assertion.life
  if (beyond <= -UNSURE || (beyond < 0 && !isRefused(facts))) return null
  const way = skew < 0 ? 'ahead of' : 'behind'
  return weigh(
    beyond >= 0 ? 93 : 60,
    `our clock is ${span(Math.abs(skew))} ${way} the EHR’s, by the Date of its reply`,
  )
}

export const audienceException: Fits = facts => {
  const { assertionAudience, tokenEndpoint } = facts.upstream
  if (!isRefused(facts) || assertionAudience === null) return null
  if (assertionAudience.value === tokenEndpoint) return null
  return weigh(
    facts.past.worked === null ? 77 : 45,
    `the config makes the aud ${assertionAudience.value} instead of the URL that is posted to`,
  )
}

const loose = (url: string): string => url.toLowerCase().replace(/\/+$/, '')

/** What no token endpoint answers, and what it looks like. */
const NO_TOKEN_ENDPOINT: readonly (readonly [ErrorCode, string])[] = [
  ['upstream_redirected', 'a redirect'],
  ['upstream_not_json', 'something that is not JSON'],
]

export const endpointDiffers: Fits = facts => {
  const odd = NO_TOKEN_ENDPOINT.find(([code]) => failedWith(facts, code))
  if (odd !== undefined) return weigh(82, `tokenEndpoint answers with ${odd[1]}`)
  const { namedEndpoint: named, upstream, past } = facts
  const { tokenEndpoint, assertionAudience } = upstream
  const isException = assertionAudience?.value === named
  if (named === null || named === tokenEndpoint || isException || !mayBeRefused(facts)) return null
  const because = `the config posts to ${tokenEndpoint}; the EHR’s SMART configuration names ${named}`
  if (loose(named) === loose(tokenEndpoint)) return weigh(91, because)
  if (past.worked !== null) return weigh(40, because)
  return weigh(new URL(named).host === new URL(tokenEndpoint).host ? 85 : 78, because)
}

export const proxyHidesUrl: Fits = facts => {
  const { past, upstream, hasGateway } = facts
  if (!isRefused(facts) || past.worked !== null || upstream.assertionAudience !== null) return null
  if (working(neighbours(facts)) > 0) return null
  return hasGateway
    ? weigh(
        64,
        'its replies come through a gateway (Via), so that it may know itself by another URL',
      )
    : weigh(20, 'it has never accepted an assertion, and aud is the URL that we post to')
}

export const requestChanged: Fits = facts => {
  const { hasGateway, past } = facts
  if (!isRefused(facts)) return null
  const isCalledMalformed = failedWith(facts, 'upstream_invalid_request')
  if (!hasGateway)
    return isCalledMalformed ? weigh(60, 'it calls malformed what other EHRs take') : null
  if (isCalledMalformed)
    return weigh(85, 'it calls malformed what other EHRs take, and a gateway is between (Via)')
  if (working(neighbours(facts)) > 0) return null
  return past.worked === null
    ? weigh(52, 'a gateway is between us and it (Via)')
    : weigh(72, 'it accepted this before, and now a gateway is between us and it (Via)')
}

export const grantNotOffered: Fits = facts =>
  failedWith(facts, 'upstream_unsupported_grant_type')
    ? weigh(95, 'it answers unsupported_grant_type')
    : null

export const algNotTaken: Fits = facts => {
  const { alg, profile, profileName } = facts.upstream
  if (!isRefused(facts) || facts.past.worked !== null || alg === profile.alg) return null
  const isEpicWithRsa = profileName === 'epic' && ALGORITHMS[alg].kty === 'RSA'
  if (isEpicWithRsa) return null
  const because = `${alg} signs, where the profile ${profileName} has ${profile.alg}`
  return weigh(profileName === 'epic' ? 30 : 68, because)
}

export const scopesNotInApp: Fits = facts =>
  failedWith(facts, 'upstream_invalid_scope') ? weigh(95, 'it answers invalid_scope') : null

export const scopeStyle: Fits = facts => {
  const isV2 = facts.upstream.scopes.some(scope => /\.c?r?u?d?s?(\?|$)/.test(scope.slice(1)))
  return isV2 && failedWith(facts, 'upstream_invalid_scope')
    ? weigh(60, 'the scopes are written in the style of SMART v2')
    : null
}

/** By the system's word for why TLS was given up. */
const certificate =
  (words: RegExp, because: string): Fits =>
  facts =>
    failedWith(facts, 'upstream_tls_failed') && words.test(reasonOf(facts))
      ? weigh(95, because)
      : null

const UNTRUSTED = /^(UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO)/
const EXPIRED = /^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/
const OTHER_NAME = /ALTNAME|HOSTNAME/

export const certificateUntrusted = certificate(
  UNTRUSTED,
  'its certificate is signed by an authority that is not trusted here',
)
export const certificateExpired = certificate(EXPIRED, 'its certificate is not valid at this time')
export const certificateOfOtherName = certificate(
  OTHER_NAME,
  'its certificate is for another name than the URL has',
)
export const tlsNotAgreed: Fits = facts =>
  failedWith(facts, 'upstream_tls_failed') &&
  ![UNTRUSTED, EXPIRED, OTHER_NAME].some(words => words.test(reasonOf(facts)))
    ? weigh(82, 'TLS was given up before the certificate was judged')
    : null

const isNameless = (facts: Facts): boolean => /^(ENOTFOUND|EAI_AGAIN)$/.test(reasonOf(facts))

export const nameNotFound: Fits = facts =>
  failedWith(facts, 'upstream_unreachable') && isNameless(facts)
    ? weigh(95, 'its host has no address here')
    : null

const cannotConnect = (facts: Facts): boolean =>
  failedWith(facts, 'upstream_timeout') ||
  (failedWith(facts, 'upstream_unreachable') && !isNameless(facts))

export const wayOutBlocked: Fits = facts => {
  if (!cannotConnect(facts)) return null
  const { others, past } = facts
  const works = working(others)
  if (works === 0 && others.some(each => each.works === false))
    return weigh(82, 'no upstream at all can be reached')
  return past.worked === null
    ? weigh(74, 'it was never reached from here')
    : weigh(50, 'it was reached before')
}

export const ehrIsDown: Fits = facts => {
  if (failedWith(facts, 'upstream_unavailable'))
    return weigh(85, 'it answers that it is out of order (5xx)')
  if (!cannotConnect(facts)) return null
  const works = working(facts.others)
  return works > 0 || facts.past.worked !== null
    ? weigh(76, `it does not answer; ${works} other upstreams work`)
    : weigh(55, 'it does not answer')
}
