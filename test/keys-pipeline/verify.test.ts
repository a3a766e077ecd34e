import { join } from 'node:path'
import { Agent } from 'undici'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { toPublicKey } from '../../keys-pipeline/jwk.ts'
import { serializeKeySet } from '../../keys-pipeline/key-set.ts'
import { build } from '../../keys-pipeline/pipeline.ts'
import { fetchThrough } from '../../keys-pipeline/published.ts'
import { readTemplates } from '../../keys-pipeline/read.ts'
import { readSettings } from '../../keys-pipeline/settings.ts'
import { type Expected, verify } from '../../keys-pipeline/verify.ts'
import { type Authority, makeAuthority } from '../support/certificates.ts'
import { movedClock } from '../support/clock.ts'
import { asIs, ecJwk, folderWith, type Jwk } from '../support/keys.ts'
import { Pages, pack } from '../support/pages.ts'
import { PROJECT } from '../support/processes.ts'

const PATH = 'nonprod/.well-known/jwks.json'
const settings = readSettings(join(PROJECT, 'keys-pipeline', 'publisher.yaml'), asIs)
const templates = readTemplates(join(PROJECT, 'site'))
const [old, fresh] = [
  { ...ecJwk('P-256', 1), kid: 'old' },
  { ...ecJwk('P-256', 2), kid: 'fresh' },
]

let authority: Authority
let dispatcher: Agent
let pages: Pages
const clock = movedClock()
beforeAll(async () => {
  authority = await makeAuthority()
  dispatcher = new Agent({ connect: { ca: authority.ca } })
})
beforeEach(async () => {
  pages = await new Pages(await authority.issue(), clock.now).start()
  return () => pages.stop()
})
afterAll(() => dispatcher.close())

function artifact(includeHiddenFiles: boolean, ...keys: Jwk[]): Buffer {
  const out = join(folderWith(), 'out')
  build({
    keys: folderWith({ 'nonprod/all.json': { keys } }),
    out,
    settings,
    templates,
    commit: null,
    show: asIs,
  })
  return pack(out, { includeHiddenFiles })
}

const expectedOf = (...jwks: Jwk[]): Expected => {
  const keys = jwks.flatMap(jwk => toPublicKey(jwk, 'file').key ?? [])
  return { url: `${pages.url}/${PATH}`, text: serializeKeySet(keys), keys }
}

let busters = 0

async function ask(expected: Expected, deadline = 1200) {
  const rounds: string[] = []
  const began = clock.now()
  const findings = await verify([expected], deadline, {
    visit: fetchThrough(dispatcher, () => 0),
    now: clock.now,
    wait: async milliseconds => clock.advance(milliseconds / 1000),
    buster: () => `${busters++}`,
    progress: round => rounds.push(...round.findings.map(each => each.code)),
  })
  return {
    found: findings,
    codes: findings.map(each => each.code),
    rounds: new Set(rounds),
    took: (clock.now() - began) / 1000,
  }
}

test('a deployment that the world sees is good at once', async () => {
  pages.deploy(artifact(true, old))
  expect(await ask(expectedOf(old))).toMatchObject({ codes: [], took: 0 })
})

test('the loss of .well-known is found: an artifact without hidden files is not the site', async () => {
  pages.deploy(artifact(false, old))
  expect((await ask(expectedOf(old), 60)).codes).toEqual(['live_not_found'])
})

describe('is waited for', () => {
  test('an edge that still has the old set', async () => {
    pages.deploy(artifact(true, old))
    await ask(expectedOf(old))
    pages.deploy(artifact(true, old, fresh), { staleEdge: 400 })
    const { codes, rounds, took } = await ask(expectedOf(old, fresh))
    expect([codes, [...rounds]]).toEqual([[], ['live_stale_edge']])
    expect(took).toBeGreaterThanOrEqual(400)
    expect(took).toBeLessThan(440)
  })

  test('an origin that still has the old set', async () => {
    pages.deploy(artifact(true, old))
    pages.deploy(artifact(true, fresh), { staleOrigin: 900 })
    const { codes, rounds } = await ask(expectedOf(fresh))
    expect([codes, [...rounds]]).toEqual([[], ['live_stale_origin']])
  })

  test('a host that is out of order for a while', async () => {
    pages.deploy(artifact(true, old))
    for (let at = 0; at < 6; at++) pages.faults.push({ status: 503, body: '<html>' })
    const { codes, rounds } = await ask(expectedOf(old))
    expect([codes, [...rounds]]).toEqual([[], ['live_server_error']])
  })
})

describe('when the deadline passes, what differs is said', () => {
  test('which key is missing and which is extra', async () => {
    pages.deploy(artifact(true, old))
    pages.deploy(artifact(true, fresh), { staleOrigin: 7200 })
    const { codes, found, took } = await ask(expectedOf(fresh))
    expect(codes).toEqual(['live_stale_origin'])
    expect(found[0]?.message).toContain('missing: fresh')
    expect(found[0]?.message).toContain('extra: old')
    expect(took).toBeLessThanOrEqual(1200)
    expect(took).toBeGreaterThan(1100)
  })

  test.each<[string, { status: number; headers?: Record<string, string>; body: string }, string]>([
    [
      'a redirect',
      { status: 301, headers: { location: 'https://elsewhere.example.com' }, body: '' },
      'live_redirect',
    ],
    ['a sign-in', { status: 401, body: '' }, 'live_sign_in'],
    ['a request to slow down', { status: 429, body: '<html>' }, 'live_rate_limited'],
    ['an outage', { status: 503, body: '<html>' }, 'live_server_error'],
    ['a page', { status: 200, body: '<!doctype html><title>x</title>' }, 'live_html'],
    [
      'plain text',
      { status: 200, headers: { 'content-type': 'text/plain' }, body: '{"keys":[]}' },
      'live_type',
    ],
    [
      'half a document',
      { status: 200, headers: { 'content-type': 'application/json' }, body: '{"keys":' },
      'live_not_json',
    ],
    [
      'one key',
      {
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(ecJwk()),
      },
      'live_not_key_set',
    ],
    ['a strange status', { status: 202, body: '' }, 'live_status'],
  ])('%s', async (_, fault, code) => {
    pages.deploy(artifact(true, old))
    pages.faults.push(fault, fault)
    expect((await ask(expectedOf(old), 0)).codes).toEqual([code])
  })

  test('a certificate that is not trusted', async () => {
    const stranger = await makeAuthority()
    const other = await new Pages(await stranger.issue(), clock.now).start()
    expect((await ask({ ...expectedOf(old), url: `${other.url}/${PATH}` }, 0)).codes).toEqual([
      'live_tls',
    ])
    await other.stop()
  })

  test('nobody there', async () => {
    expect((await ask({ ...expectedOf(old), url: 'https://127.0.0.1:1/x.json' }, 0)).codes).toEqual(
      ['live_unreachable'],
    )
  })
})
