import { type Look, readPublished } from '../published.ts'
import { span } from '../words.ts'
import { cachingOf, EPIC_MOST } from './caching.ts'
import type { Answers } from './evidence.ts'
import type { FaultName } from './faults.ts'
import { fault, good, orGood, type Remark } from './remark.ts'

/** What came back, how it was wrapped, and whether it comes each time. Pure. */
export function judgeAnswers(answers: Answers): Remark[] {
  const { first } = answers
  const found = failureOf(first)
  const isAnswer = found === null
  const steadiness = judgeSteadiness(answers)
  // Where it fails by chance, nothing can be said of who is refused.
  const isByChance = steadiness.some(each => each.code === 'sometimes_fails')
  return [
    ...(found ? [found] : isByChance ? [] : judgeOthers(answers)),
    ...steadiness,
    ...judgeTime(answers),
    ...(isAnswer ? [...judgeType(first), ...judgeCaching(first), ...judgeCors(answers)] : []),
  ]
}

/** Whether there is a body to read a key set from. */
export const isAnswer = ({ first }: Answers): boolean => failureOf(first) === null

const SIGN_IN =
  /(^|[/.])(login|log-in|signin|sign-in|sso|saml2?|oauth2?|auth|authorize|adfs)([/.?]|$)/i

/** By status. @see RFC 9110 §15 */
const STATUSES: readonly [(status: number) => boolean, FaultName][] = [
  [status => status === 401 || status === 407, 'sign_in_asked'],
  [status => status === 403 || status === 451, 'forbidden'],
  [status => status === 404 || status === 410, 'not_found'],
  [status => status === 429, 'rate_limited'],
  [status => status >= 500, 'server_error'],
  [status => status !== 200, 'status_other'],
]

function failureOf(look: Look): Remark | null {
  const { failure, status, headers, body } = look
  if (failure === 'timeout') return fault('answer_timeout', 'no answer within the deadline')
  if (failure === 'too_large') return fault('answer_too_large', 'more than 1 MiB')
  // The handshake was done before, so that this is the server’s no to what followed it.
  if (failure === 'tls')
    return fault(
      'client_certificate_asked',
      'TLS was ended after the handshake, as for want of a certificate',
    )
  if (failure !== null) return fault('answer_broken', 'the connection ended without a whole answer')
  if (status >= 300 && status < 400) return redirectFault(look)
  // nginx, Apache and IIS say it in words, with status 400 or 403.
  if (
    status !== 200 &&
    /\bSSL certificate\b|client certificate/i.test(body.toString('latin1', 0, 4096))
  )
    return fault(
      'client_certificate_asked',
      `status ${status}, and a page that asks for a certificate`,
    )
  const known = STATUSES.find(([fits]) => fits(status))
  if (known === undefined) return null
  const [, name] = known
  const retry = headers['retry-after']
  return fault(name, `status ${status}${retry ? `, Retry-After: ${retry}` : ''}`)
}

function redirectFault({ status, headers, url }: Look): Remark {
  const target = headers['location'] ?? '(nowhere)'
  const { href } = URL.canParse(target, url) ? new URL(target, url) : { href: target }
  const path = href.replace(/^https?:\/\//, '')
  return SIGN_IN.test(path)
    ? fault('sign_in_asked', `status ${status} to ${href}`)
    : fault('redirected', `status ${status} to ${href}`)
}

/** The same question in other ways gets the same answer. */
function judgeOthers({ first, anonymous, elsewhere, browser }: Answers): Remark[] {
  const found: Remark[] = []
  const refused = [anonymous, browser].find(each => failureOf(each) !== null)
  if (refused)
    found.push(
      fault('some_clients_refused', `${seenOf(refused)} without a User-Agent or with an Origin`),
    )
  for (const [address, look] of elsewhere)
    if (failureOf(look) !== null || !look.body.equals(first.body))
      found.push(fault('address_answers_otherwise', `${address}: ${seenOf(look)}`))
  return orGood(found, 'answer', `status 200, ${first.body.length} bytes`)
}

function judgeSteadiness({ first, again, fresh }: Answers): Remark[] {
  const all = [first, ...again]
  const failed = all.filter(each => failureOf(each) !== null)
  if (failed.length === all.length) return []
  if (failed[0])
    return [
      fault('sometimes_fails', `${failed.length} of ${all.length} times: ${seenOf(failed[0])}`),
    ]
  const kinds = new Set(all.map(each => each.body.toString('latin1'))).size
  if (kinds > 1) return [fault('sets_differ', `${kinds} different sets in ${all.length} answers`)]
  if (failureOf(fresh) !== null) return [fault('origin_fails', `past the cache: ${seenOf(fresh)}`)]
  if (!fresh.body.equals(first.body))
    return [fault('edge_stale', 'past the cache there is another set')]
  return [good('steady', `${all.length} of ${all.length} times the same, and past the cache too`)]
}

/** Milliseconds. */
const SLOW = 5000
const RATHER_SLOW = 2000

function judgeTime({ first, again }: Answers): Remark[] {
  const took = [first, ...again]
    .filter(each => each.failure === null)
    .map(each => each.took)
    .sort((a, b) => a - b)
  const slowest = took.at(-1)
  if (slowest === undefined) return []
  const seen = `${Math.round(took[0] ?? 0)} to ${Math.round(slowest)} ms in ${took.length} answers`
  if (slowest >= SLOW) return [fault('slow', seen)]
  return [slowest >= RATHER_SLOW ? fault('rather_slow', seen) : good('time', seen)]
}

function judgeType(look: Look): Remark[] {
  const { headers, body } = look
  const type = headers['content-type'] ?? '(none)'
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity')
    return [fault('encoding_unasked', `Content-Encoding: ${encoding}, which was not asked for`)]
  if (readPublished(look).state === 'html') return [fault('html', `a page of type ${type}`)]
  if (body.subarray(0, 3).equals(BYTE_ORDER_MARK))
    return [fault('byte_order_mark', 'it begins with the bytes EF BB BF')]
  if (!/^application\/(jwk-set\+)?json\s*(;|$)/i.test(type)) return [fault('type_other', type)]
  return [good('type', type)]
}

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])

/** Seconds. The guard that a new key waits before it signs. */
const GUARD = 20 * 60

function judgeCaching({ headers }: Look): Remark[] {
  const header = headers['cache-control']
  const { state, own, shared } = cachingOf(header)
  const seen = `Cache-Control: ${header ?? '(none)'}`
  const asks =
    'a new key is found at once all the same, since Epic asks again for a kid that it does not know'
  if (state === 'none')
    return [
      fault(
        'cache_none',
        `${seen}: Epic asks each time, and an outage of the host is an outage at once`,
      ),
    ]
  if (state === 'unreadable')
    return [fault('cache_unreadable', `${seen}: it may count as none said`)]
  if (state === 'unsaid')
    return [
      fault(
        'cache_unsaid',
        `${seen}: Epic keeps the set for 29 h; a removed key stays trusted as long; ${asks}`,
      ),
    ]
  if (own > EPIC_MOST)
    return [
      fault('cache_long', `${seen}: Epic keeps it for 29 h at most, other EHRs for ${span(own)}`),
    ]
  if (shared > GUARD)
    return [
      fault(
        'cache_hides_new_keys',
        `${seen}: a hospital’s proxy may hide a new key for ${span(shared)}`,
      ),
    ]
  return [
    good(
      'caching',
      `${seen}: a removed key stays trusted, and an outage is ridden out, for ${span(own)}; ${asks}`,
    ),
  ]
}

function judgeCors({ browser }: Answers): Remark[] {
  const allowed = browser.headers['access-control-allow-origin']
  return allowed === '*'
    ? [good('cors', 'any origin may read it')]
    : [fault('cors_missing', `Access-Control-Allow-Origin: ${allowed ?? '(none)'}`)]
}

const seenOf = ({ failure, status }: Look): string => failure ?? `status ${status}`
