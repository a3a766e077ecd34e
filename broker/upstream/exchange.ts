import type { Clock, Instant } from '../clock.ts'
import { asBrokerError, BrokerError, type ErrorCode } from '../errors.ts'
import { makeAssertion, type Signer } from './assertion.ts'
import type { PostForm } from './token-endpoint.ts'
import { bodyOf, readTokenResponse, type TokenResponse } from './token-response.ts'
import type { Upstream } from './upstream.ts'

export interface UpstreamToken extends TokenResponse {
  /** From here its life counts: not from when the reply arrived. */
  sentAt: Instant
  /** The key that the EHR accepted. */
  kid: string
}

/** `deadline` is in seconds, the upstream's own where it is not given. */
export type Exchange = (
  upstream: Upstream,
  scopes: readonly string[],
  deadline?: number,
) => Promise<UpstreamToken>

/** What an EHR's token endpoint gave for one grant, with all else that it said. */
export interface Presented extends UpstreamToken {
  body: Readonly<Record<string, unknown>>
}

/**
 * Shows a token endpoint a grant. `asked` are the scopes that count as granted where the reply names none; `deadline`
 * is in seconds, the upstream's own where it is not given.
 */
export type Present = (
  upstream: Upstream,
  grant: Readonly<Record<string, string>>,
  asked: readonly string[],
  deadline?: number,
) => Promise<Presented>

/** Of a key: taken, refused, not spoken of, or nobody there who could say. */
export type Answer = 'accepted' | 'refused' | 'answered' | 'silent'

const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

interface Ports {
  clock: Clock
  newJti: () => string
  /** Before a key is chosen: whatever may forbid it is known when this returns. */
  heed: (upstream: Upstream) => Promise<void>
  signerFor: (upstream: Upstream) => Signer
  /** Told before each signature. */
  onSigning: (upstream: Upstream, signer: Signer) => void
  /** Told what the EHR said of the key. */
  onAnswer: (upstream: Upstream, signer: Signer, answer: Answer) => void
  postFor: (upstream: Upstream) => PostForm
  /** Told of the clock of each EHR that answers: seconds by which it is ahead of ours. */
  onDate: (upstream: Upstream, skew: number) => void
}

/**
 * One attempt at an EHR's token endpoint without a user.
 *
 * @see RFC 6749 §4.4 · RFC 7523 §2.2 · SMART App Launch 2.2 "Backend Services"
 */
export function exchangeWith(ports: Ports): Exchange {
  const present = presentWith(ports)
  return async (upstream, scopes, deadline) => {
    const grant = { grant_type: 'client_credentials', scope: scopes.join(' ') }
    const { body: _, ...token } = await present(upstream, grant, scopes, deadline)
    return token
  }
}

/** One attempt at an EHR's token endpoint: sign, send, judge. There is no client_id beside the assertion (RFC 7521 §4.2). */
export function presentWith(ports: Ports): Present {
  return async (upstream, grant, asked, deadline = upstream.deadline) => {
    await ports.heed(upstream)
    const sentAt = ports.clock()
    const signer = ports.signerFor(upstream)
    ports.onSigning(upstream, signer)
    const assertion = await makeAssertion(upstream, signer, sentAt.wall, ports.newJti()).catch(
      error => {
        throw new BrokerError('signing_failed', { kid: signer.kid }, { cause: error })
      },
    )
    const form = new URLSearchParams({
      ...grant,
      client_assertion_type: JWT_BEARER,
      client_assertion: assertion,
    })
    try {
      const reply = await ports.postFor(upstream)(upstream.tokenEndpoint, form, deadline)
      if (reply.date !== null) ports.onDate(upstream, skewOf(reply.date, sentAt, ports.clock()))
      const token = readTokenResponse(reply, asked, upstream.profile)
      ports.onAnswer(upstream, signer, 'accepted')
      return { ...token, sentAt, kid: signer.kid, body: bodyOf(reply) }
    } catch (error) {
      const { code, facts, cause } = asBrokerError(error)
      ports.onAnswer(upstream, signer, answerOf(asBrokerError(error)))
      throw new BrokerError(code, { ...facts, upstream: upstream.id, kid: signer.kid }, { cause })
    }
  }
}

/** What a failure says of the key that signed. A page by a proxy or a firewall is no word of the EHR's. */
function answerOf({ code, failure, facts }: BrokerError): Answer {
  if (code === 'upstream_invalid_client') return 'refused'
  if (code === 'upstream_refused' && (facts['status'] === 400 || facts['status'] === 401))
    return 'refused'
  return failure === 'no' || ANSWERS.includes(code) ? 'answered' : 'silent'
}

/** It has read the assertion, and what it says is about something else. */
const ANSWERS: readonly ErrorCode[] = [
  'upstream_invalid_request',
  'upstream_unsupported_grant_type',
  'upstream_token_type',
  'upstream_life_too_short',
]

/** By the middle of the call; a Date has whole seconds. @see RFC 9110 §6.6.1 */
const skewOf = (date: number, sentAt: Instant, now: Instant): number =>
  Math.round((date - (sentAt.wall + now.wall) / 2) / 1000)
