import { describe, expect, test } from 'vitest'
import {
  askFhir,
  gatherFacts,
  outcomeOf,
  type Surroundings,
  type Visit,
} from '../../../broker/diagnosis/gather.ts'
import { failed, NO_PAST, type Past, worked } from '../../../broker/diagnosis/past.ts'
import { BrokerError } from '../../../broker/errors.ts'
import type { Look } from '../../../keys-pipeline/published.ts'
import { ecJwk, published } from '../../support/keys.ts'
import { upstream } from '../../support/upstream.ts'

const NOW = Date.UTC(2026, 10, 25)
const ours = published(ecJwk('P-384'))
const key = { kid: ours.jwk.kid, alg: 'ES384', thumbprint: ours.thumbprint }
const SET = 'https://keys.example.com/nonprod.json'
const OTHER_SET = 'https://keys.example.com/production.json'
const CONFIGURATION = 'https://ehr.example.com/FHIR/R4/.well-known/smart-configuration'

const looking = (parts: Partial<Look> & { json?: unknown } = {}): Look => ({
  ...{ url: '', failure: null, status: 200, took: 0 },
  body: Buffer.from(JSON.stringify(parts.json ?? {})),
  ...parts,
  headers: { 'content-type': 'application/json', ...parts.headers },
})

interface Asked {
  url: string
  headers: Readonly<Record<string, string>>
  ca: string | null
}

function around(
  answers: Record<string, Look>,
  parts: Partial<Surroundings> = {},
): { asked: Asked[]; surroundings: Surroundings } {
  const asked: Asked[] = []
  const visit: Visit = async (url, headers, ca) => {
    asked.push({ url, headers, ca })
    return answers[url] ?? { ...looking(), failure: 'unreachable', status: 0, headers: {} }
  }
  const surroundings: Surroundings = {
    ...{ upstreams: new Map(), setUrls: new Map([['nonprod', SET]]), configChanged: null },
    ...{ assertion: { backdated: 60, life: 240 }, keyOf: () => key, past: () => NO_PAST },
    ...{ visit, now: () => NOW },
    ...parts,
  }
  return { asked, surroundings }
}

const gathered = (
  answers: Record<string, Look>,
  parts: Partial<Surroundings> = {},
  here = upstream(),
) => gatherFacts(here, { outcome: 'not_asked' }, around(answers, parts).surroundings)

const date = (seconds: number) => ({ date: new Date(NOW + seconds * 1000).toUTCString() })

test('our set is looked at as a stranger, the EHR with its own authorities and our client ID', async () => {
  const { asked, surroundings } = around({})
  await gatherFacts(upstream({ ca: 'PEM' }), { outcome: 'not_asked' }, surroundings)
  expect(asked.map(({ url, ca }) => [url, ca])).toEqual([
    [SET, null],
    [CONFIGURATION, 'PEM'],
  ])
  expect(asked[1]?.headers).toMatchObject({ 'epic-client-id': 'our-client' })
})

test('where nothing answers, nothing is known', async () => {
  expect(await gathered({})).toMatchObject({
    ...{ set: { state: 'unreachable' }, skew: null, namedEndpoint: null, hasGateway: false },
    ...{ isInOtherSet: null, configAge: null, fhir: { metadata: null, patient: null } },
  })
})

test('a set whose URL nobody has named is not looked at', async () => {
  const { asked, surroundings } = around({}, { setUrls: new Map() })
  const facts = await gatherFacts(upstream(), { outcome: 'not_asked' }, surroundings)
  expect(facts.set).toEqual({ state: 'no_url' })
  expect(asked.map(each => each.url)).toEqual([CONFIGURATION])
})

test('the other environment’s set is searched for the key', async () => {
  const setUrls = new Map([
    ['nonprod', SET],
    ['production', OTHER_SET],
  ] as const)
  const facts = await gathered(
    {
      [SET]: looking({ json: { keys: [] } }),
      [OTHER_SET]: looking({ json: { keys: [ours.jwk] } }),
    },
    { setUrls },
  )
  expect(facts).toMatchObject({ set: { ours: { state: 'absent' } }, isInOtherSet: true })
})

describe('the EHR’s clock', () => {
  test.each([
    [0, 0],
    [-90, -90],
    [250, 250],
  ])('a Date of now %+i s is a skew of %i s', async (seconds, skew) => {
    const facts = await gathered({ [CONFIGURATION]: looking({ headers: date(seconds) }) })
    expect(Math.abs((facts.skew ?? Number.NaN) - skew)).toBeLessThanOrEqual(1)
  })

  test('is held against the middle of the call', async () => {
    const late = looking({ headers: date(10), took: 20_000 })
    expect(Math.abs((await gathered({ [CONFIGURATION]: late })).skew ?? 9)).toBeLessThanOrEqual(1)
  })

  test('is that of the token endpoint, where the FHIR base is elsewhere', async () => {
    const tokenEndpoint = 'https://login.example.com/token'
    const facts = await gathered(
      {
        [CONFIGURATION]: looking({ headers: date(0) }),
        [tokenEndpoint]: looking({ status: 405, headers: { ...date(100), via: '1.1 x' } }),
      },
      {},
      upstream({ tokenEndpoint }),
    )
    expect(facts.skew).toBeGreaterThanOrEqual(99)
    expect(facts.hasGateway).toBe(true)
  })
})

test.each<[string, unknown, string | null]>([
  ['as it is', 'https://ehr.example.com/token', 'https://ehr.example.com/token'],
  ['relative to the FHIR base', '../auth/token', 'https://ehr.example.com/FHIR/auth/token'],
  ['harmless', 'https://ehr.example.com/\u001b[2J\n', 'https://ehr.example.com/%1B[2J'],
  ['not at all if too long', `https://ehr.example.com/${'x'.repeat(600)}`, null],
  ['not at all if no URL', 'https://', null],
  ['not at all if no text', 7, null],
])('the endpoint that the EHR names is read %s', async (_, named, expected) => {
  const json = { token_endpoint: named }
  expect((await gathered({ [CONFIGURATION]: looking({ json }) })).namedEndpoint).toBe(expected)
})

test('a page in place of the configuration names nothing', async () => {
  const page = looking({ body: Buffer.from('<html>'), headers: { 'content-type': 'text/html' } })
  expect((await gathered({ [CONFIGURATION]: page })).namedEndpoint).toBeNull()
})

test('others work by their last call', async () => {
  const pasts: Record<string, Past> = {
    good: worked(failed(NO_PAST, 1), 2, 'kid'),
    bad: failed(worked(NO_PAST, 1, 'kid'), 2),
  }
  const upstreams = new Map(
    ['ehr', 'good', 'bad', 'silent'].map(id => [id, upstream({ id })] as const),
  )
  const { others } = await gathered({}, { upstreams, past: id => pasts[id] ?? NO_PAST })
  expect(others.map(({ id, works, kid }) => [id, works, kid])).toEqual([
    ['good', true, 'kid'],
    ['bad', false, 'kid'],
    ['silent', null, null],
  ])
})

test('an outcome keeps the code, the status and the system’s word, and nothing else', () => {
  const error = new BrokerError('upstream_tls_failed', { reason: 'EPROTO', kid: 'x' })
  expect(outcomeOf(null)).toEqual({ outcome: 'granted' })
  expect(outcomeOf(error)).toEqual({
    ...{ outcome: 'refused', code: 'upstream_tls_failed', status: null, reason: 'EPROTO' },
  })
})

describe('the FHIR server', () => {
  const base = 'https://ehr.example.com/FHIR/R4'
  const ask = (patient: Look, id = 'a/b') => {
    const visiting = around({
      [`${base}/metadata`]: looking(),
      [`${base}/Patient/${encodeURIComponent(id)}`]: patient,
    })
    return askFhir(upstream(), { accessToken: 'token' }, id, visiting.surroundings)
  }

  test.each<[number, string, 'scope' | 'user' | null]>([
    [200, '', null],
    [404, '', null],
    [403, 'Bearer error="insufficient_scope"', 'scope'],
    [403, '', 'user'],
    [401, 'Bearer error="invalid_token"', null],
  ])('%i %s', async (status, challenge, lacks) => {
    const { metadata, patient } = await ask(
      looking({ status, headers: { 'www-authenticate': challenge } }),
    )
    expect(metadata).toEqual({ status: 200, lacks: null })
    expect(patient).toEqual({ status, lacks })
  })

  test('a Patient is read only where one is named and a token was had', async () => {
    const { asked, surroundings } = around({})
    await askFhir(upstream(), null, 'x', surroundings)
    await askFhir(upstream(), { accessToken: 'token' }, null, surroundings)
    expect(asked.map(each => each.url)).toEqual([`${base}/metadata`, `${base}/metadata`])
    expect(JSON.stringify(asked)).not.toContain('token')
  })
})
