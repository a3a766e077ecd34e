import Type from 'typebox'
import { BrokerError, ERRORS, type ErrorCode } from '../errors.ts'
import { FHIR_ERRORS } from '../fhir-errors.ts'
import { KEY_ERRORS } from '../key-errors.ts'
import { LAUNCH_ERRORS } from '../launch-errors.ts'
import { bodyOf } from './reply.ts'

/** Codes of the operator's listener, of the browsers', of the commands, of rotations, and of the audit alone: no service is ever shown them. */
const ELSEWHERE: ReadonlySet<ErrorCode> = new Set([
  ...(['operator_refused', 'host_refused', 'daemon_unreachable', 'daemon_failed'] as const),
  ...(['bundle_refused', 'file_unreadable', 'file_not_written', 'fhir_base_unusable'] as const),
  ...(['discovery_not_found', 'discovery_refused', 'discovery_malformed'] as const),
  ...(['discovery_other_domain', 'token_unknown'] as const),
  ...(['state_in_use', 'state_unusable', 'state_unreadable'] as const),
  ...(Object.keys(KEY_ERRORS) as (keyof typeof KEY_ERRORS)[]),
  ...(Object.keys(FHIR_ERRORS) as (keyof typeof FHIR_ERRORS)[]),
  ...(Object.keys(LAUNCH_ERRORS) as (keyof typeof LAUNCH_ERRORS)[]).filter(
    code => !/^(connection|subject_token|requested_token_type)_/.test(code),
  ),
])

const SHOWN = (Object.keys(ERRORS) as ErrorCode[]).filter(code => !ELSEWHERE.has(code))

/** What `POST /oauth2/token` may be refused with. */
export const TOKEN_CODES = SHOWN.filter(
  code => !['not_found', 'token_missing'].includes(code) && !code.startsWith('connection_code_'),
)

/** Of what is asked for with a token, and of nothing else. */
const OF_A_TOKEN = /^(grant_type|minimum_ttl|connection|subject_token|requested_token_type)_/

/** What `POST /oauth2/report` may be refused with: it picks no EHR, and a failure of one is not the reporter's. */
export const REPORT_CODES: readonly ErrorCode[] = [
  ...TOKEN_CODES.filter(code => ERRORS[code].blame === 'caller' && !OF_A_TOKEN.test(code)),
  ...(['token_missing', 'rate_limited', 'caller_keys_unavailable'] as const),
  ...(['audit_failed', 'internal'] as const),
]

/** What `POST /oauth2/connection` may be refused with. */
export const CONNECTION_CODES: readonly ErrorCode[] = [
  ...REPORT_CODES.filter(code => code !== 'token_missing'),
  ...SHOWN.filter(code => code.startsWith('connection_code_')),
  'connection_store_failed',
]

const errorsOf = (codes: readonly ErrorCode[]): BrokerError[] => {
  const byShown = codes.map(code => new BrokerError(code)).map(each => [each.shownCode, each])
  return [...new Map(byShown as [string, BrokerError][]).values()]
}
const membersOf = (errors: readonly BrokerError[]) => ({
  error: Type.Enum([...new Set(errors.map(({ row }) => row.oauth))], {
    description: 'The error of RFC 6749 §5.2 or RFC 8707 §2, which OAuth libraries know.',
  }),
  code: Type.Enum(
    errors.map(each => each.shownCode),
    { description: 'Ours, stable, and more exact: what a program should look at.' },
  ),
})

/** The body of every error of the service listener. */
export const ErrorBody = Type.Object(
  {
    ...membersOf(errorsOf(SHOWN)),
    error_description: Type.String({ description: 'A sentence for people. It may change.' }),
  },
  { $id: 'Error', description: 'An error.' },
)

const RETRY_AFTER = Type.Integer({
  minimum: 0,
  description: 'Seconds after which asking again may help.',
})
const CHALLENGE = Type.String({ description: 'The scheme by which a client may authenticate.' })
const ALLOW = Type.String({ description: 'POST' })

/** The replies of a route to what goes wrong, by status: each code, and the body that it comes with. */
export function errorReplies(codes: readonly ErrorCode[]): Record<number, object> {
  const byStatus = Map.groupBy(errorsOf(codes), ({ row }) => row.status)
  return Object.fromEntries([...byStatus].map(([status, errors]) => [status, replyOf(errors)]))
}

function replyOf(errors: readonly BrokerError[]): object {
  const status = errors[0]?.row.status
  const mayRetry = errors.some(({ row }) => row.retryAfter !== undefined)
  const headers = {
    ...(status === 401 && { 'WWW-Authenticate': CHALLENGE }),
    ...(status === 405 && { Allow: ALLOW }),
    ...(mayRetry && { 'Retry-After': RETRY_AFTER }),
  }
  return {
    description: errors.map(each => `- \`${each.shownCode}\`: ${each.message}`).join('\n'),
    ...(Object.keys(headers).length > 0 && { headers }),
    content: {
      'application/json': {
        schema: { allOf: [{ $ref: 'Error#' }, { properties: membersOf(errors) }] },
        examples: Object.fromEntries(errors.map(each => [each.shownCode, { value: bodyOf(each) }])),
      },
    },
  }
}
