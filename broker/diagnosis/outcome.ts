import type { ErrorCode } from '../errors.ts'
import type { Facts, Fit, OtherUpstream } from './facts.ts'

/** A weight from here on says that the fault itself was seen; below, that it would explain the refusal. */
export const SEEN = 80

/** Refusals that may be about anything in our request: Epic's `invalid_client`, Medplum's `invalid_request`, a bare 400. */
const ABOUT_US: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'upstream_invalid_client',
  'upstream_invalid_request',
  'upstream_refused',
])

/** It said no to us, and not why. */
export const isRefused = ({ token }: Facts): boolean =>
  token.outcome === 'refused' && ABOUT_US.has(token.code)

/** What would make it say no is worth a look: it did, or nobody asked. */
export const mayBeRefused = (facts: Facts): boolean =>
  facts.token.outcome === 'not_asked' || isRefused(facts)

export const failedWith = ({ token }: Facts, ...codes: readonly ErrorCode[]): boolean =>
  token.outcome === 'refused' && codes.includes(token.code)

/** The system's word for why a connection failed. */
export const reasonOf = ({ token }: Facts): string =>
  token.outcome === 'refused' ? (token.reason ?? '') : ''

export const weigh = (weight: number, because: string): Fit => ({ weight, because })

/** Upstreams with the same client ID in the same environment, at other hospitals. */
export const siblings = ({ upstream, others }: Facts): readonly OtherUpstream[] =>
  others.filter(
    each =>
      each.clientId === upstream.clientId &&
      each.environment === upstream.environment &&
      each.tokenEndpoint !== upstream.tokenEndpoint,
  )

/** Other clients of ours at the same token endpoint. */
export const neighbours = ({ upstream, others }: Facts): readonly OtherUpstream[] =>
  others.filter(
    each => each.tokenEndpoint === upstream.tokenEndpoint && each.clientId !== upstream.clientId,
  )

export const working = (upstreams: readonly OtherUpstream[]): number =>
  upstreams.filter(each => each.works === true).length

export const failing = (upstreams: readonly OtherUpstream[]): number =>
  upstreams.filter(each => each.works === false).length

export const HOUR = 60 * 60
