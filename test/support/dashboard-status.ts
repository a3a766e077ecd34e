import { CAUSES } from '../../broker/diagnosis/causes.ts'
import { ERRORS, type ErrorCode } from '../../broker/errors.ts'
import type { Status, UpstreamStatus } from '../../broker/status.ts'
import { statusWith, upstreamStatus } from './status.ts'

const NOW = Date.UTC(2026, 10, 25, 12)
const before = (seconds: number): string => new Date(NOW - seconds * 1000).toISOString()
const PLACES = ['mercy', 'st-lukes', 'lakeside', 'northwestern-memorial', 'bay-area', 'u-health']
const VENDORS = ['epic', 'oracle-health', 'athenahealth', 'medplum'] as const

const TROUBLES = [
  ['failing', 'upstream_invalid_client', 400, ['key_removed_too_early', 'ehr_cannot_fetch_set']],
  ['failing', 'upstream_unavailable', 503, ['ehr_is_down']],
  ['never_worked', 'upstream_invalid_client', 400, ['key_not_published', 'client_id_wrong']],
  ['never_worked', 'upstream_unauthorized_client', 400, ['user_not_mapped']],
  ['failing', 'upstream_timeout', null, []],
] as const

/** What a broker with this many upstreams might say: one in forty in trouble, one in ten not asked yet. */
export function manyUpstreams(count: number): Status {
  return statusWith(
    Array.from({ length: count }, (_, at) => one(at)),
    { refusals: Array.from({ length: count === 0 ? 0 : 40 }, (_, at) => refused(at)) },
  )
}

function one(at: number): UpstreamStatus {
  const vendor = VENDORS[at % VENDORS.length] ?? 'epic'
  const place = PLACES[at % PLACES.length] ?? ''
  const environment = at % 7 === 0 ? 'nonprod' : 'production'
  const known = upstreamStatus({
    ...{ id: `${vendor}-${place}-${at}`, environment, profile: vendor },
    fhirBase: `https://fhir.${place}-${at}.example.org/${vendor}/api/FHIR/R4`,
    clientId: `3f2504e0-4f89-41d3-9a0c-${String(at).padStart(12, '0')}`,
    kid: environment === 'nonprod' ? 'a1XcKp0vQ3sT9yW2' : '8wZk1fYd7Lr5uNqE',
  })
  const trouble = at % 40 === 3 ? TROUBLES[Math.floor(at / 40) % TROUBLES.length] : undefined
  if (trouble) return inTrouble(known, trouble, at)
  if (at % 10 === 9) return known
  const expiresIn = 120 + ((at * 577) % 3300)
  const token = { scope: 'system/Patient.rs', life: 3600, expiresIn, refreshIn: expiresIn - 100 }
  return {
    ...known,
    ...{ state: 'working', lastSuccess: before(3600 - expiresIn), skew: (at % 5) - 2 },
    tokens: at % 12 === 0 ? [token, { ...token, scope: 'system/Coverage.rs' }] : [token],
  }
}

function inTrouble(
  known: UpstreamStatus,
  [state, code, status, causes]: (typeof TROUBLES)[number],
  at: number,
): UpstreamStatus {
  const isOut = code === 'upstream_unavailable'
  return {
    ...known,
    ...{ state, failures: 3 + at, breaker: isOut ? 'open' : 'closed', skew: at % 3 ? 1 : -45 },
    lastFailure: { time: before(20 + at), code, status },
    lastSuccess: state === 'failing' ? before(5400 + 60 * at) : null,
    causes: causes.map((cause, order) => ({
      code: cause,
      certainty: order === 0 ? 'seen' : 'possible',
      because: CAUSES[cause].means,
      fix: CAUSES[cause].fix,
      who: CAUSES[cause].who,
    })),
    tokens:
      state === 'failing'
        ? [{ scope: 'system/Patient.rs', life: 3600, expiresIn: 240, refreshIn: 0 }]
        : [],
  }
}

const CODES = Object.keys(ERRORS)
  .filter((code): code is ErrorCode => code.includes('_'))
  .slice(12, 20)

const refused = (at: number): Status['refusals'][number] => ({
  time: before(at * 37),
  action: at % 11 === 0 ? 'report' : 'token',
  code: CODES[at % 3] ?? 'secret_wrong',
  service: at % 3 === 0 ? null : at % 2 === 0 ? 'billing' : 'scheduling',
  claimed: at % 6 === 0 ? 'care-gaps' : null,
  upstream: at % 3 === 1 ? 'epic-mercy-0' : null,
  address: `10.20.0.${4 + (at % 2)}`,
})
