import { ALARMS } from '../../broker/alarm-table.ts'
import { CAUSES } from '../../broker/diagnosis/causes.ts'
import { ERRORS, type ErrorCode } from '../../broker/errors.ts'
import { WAITS } from '../../broker/keys/key-states.ts'
import type { KeyLine, KeyOverview } from '../../broker/keys/overview.ts'
import type { Status, UpstreamStatus } from '../../broker/status.ts'
import { environmentStatus, keyStatus, statusWith, upstreamStatus } from './status.ts'

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
    {
      refusals: Array.from({ length: count === 0 ? 0 : 40 }, (_, at) => refused(at)),
      keys: count === 0 ? [] : keysInRotation(),
    },
  )
}

const [MINUTE, HOUR, DAY] = [60, 3600, 86_400]

/** In production a rotation is under way, nonprod has had one, and there is a key of each other state. */
export function keysInRotation(): KeyOverview[] {
  const nonprod = 'a1XcKp0vQ3sT9yW2'
  return [
    environmentStatus({
      alarms: [
        {
          ...({ code: 'key_unclaimed', says: ALARMS.key_unclaimed, since: before(HOUR) } as const),
          about: ['kQ9vXo4MFUd1eTn2uJb7'],
        },
      ],
      keys: [
        keyLine('t4Vb9qHs2NwRkLm6', 'live', [12 * DAY, 11.5 * DAY, 4 * MINUTE].map(before), {
          next: { state: 'proven', earliest: before(-16 * MINUTE) },
          waitsFor: [wait('guard', -16 * MINUTE)],
        }),
        keyLine('8wZk1fYd7Lr5uNqE', 'signing', [90, 89.9, 89, 88.9, 88.8].map(days), {
          ...{ signsFor: 51, next: { state: 'resting', earliest: null } },
        }),
        keyLine('standby-2026', 'standby', [60, 59.9, 59.5, 59.4].map(days), { role: 'standby' }),
        keyLine('kQ9vXo4MFUd1eTn2uJb7', 'live', [], {
          ...{ here: false, marks: [{ state: 'live', at: before(HOUR) }] },
        }),
      ],
      rotations: [
        {
          ...({
            id: '1',
            alg: 'RS384',
            role: 'signer',
            because: 'schedule',
            proposal: 41,
          } as const),
          ...{ asked: before(12 * DAY), kid: 't4Vb9qHs2NwRkLm6' },
        },
      ],
      steps: [
        {
          ...({ do: 'propose', about: 'standby-2027' } as const),
          waitsFor: {
            ...({ code: 'publish_by_hand', says: ERRORS.publish_by_hand.says } as const),
            ...{ since: before(HOUR), facts: { kid: 'k', commands: 'git add keys\ngit push' } },
          },
        },
        ...['a', 'b', 'c'].map(about => ({ ...({ do: 'ask' } as const), about, waitsFor: null })),
      ],
    }),
    environmentStatus({
      environment: 'nonprod',
      jwksUrl: 'https://keys.example.com/nonprod/.well-known/jwks.json',
      keys: [
        keyLine(
          nonprod,
          'signing',
          [30, 29.8, 27, 26, 1].map(each => before(each * HOUR)),
          {
            ...{ signsFor: 9, next: { state: 'resting', earliest: before(-89 * DAY) } },
          },
        ),
        keyLine('resting-one', 'resting', [91.1, 91.05, 91.01, 91, 90.9, 0.04].map(days), {
          next: { state: 'retirable', earliest: before(-20 * HOUR) },
          waitsFor: [
            wait('resting', -20 * HOUR),
            { ...wait('not_accepted'), upstreams: ['epic-mercy-0', 'epic-mercy-7'] },
          ],
        }),
        keyLine('revoked-one', 'revoked', [40.1, 40.05, 40].map(days), {
          revoked: before(2 * DAY),
          waitsFor: [wait('removal')],
          next: { state: 'gone', earliest: null },
        }),
        keyLine('gone-one', 'gone', [181, 180].map(days), {}),
      ],
    }),
  ]
}

const days = (count: number): string => before(count * DAY)
const ROAD = ['made', 'proposed', 'live', 'proven', 'signing', 'resting'] as const

const wait = (what: KeyLine['waitsFor'][number]['what'], until: number | null = null) => ({
  ...{ what, says: WAITS[what], upstreams: [], until: until === null ? null : before(until) },
})

const keyLine = (
  kid: string,
  state: KeyLine['state'],
  times: string[],
  parts: Partial<KeyLine>,
): KeyLine => {
  const marks: KeyLine['marks'] = [
    ...times.flatMap((at, nth) => ({ state: ROAD[nth] ?? ('gone' as const), at })),
    ...(state === 'revoked' || state === 'gone' ? [{ state, at: before(2 * DAY) }] : []),
  ]
  return keyStatus({
    ...{
      kid,
      thumbprint: `print-of-${kid}`,
      state,
      marks,
      since: marks.at(-1)?.at ?? before(HOUR),
    },
    ...{ signsFor: 0, next: null },
    ...parts,
  })
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
