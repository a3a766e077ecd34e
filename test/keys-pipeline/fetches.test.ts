import { describe, expect, test } from 'vitest'
import { groupFetches, type Wanted } from '../../keys-pipeline/fetches.ts'
import { type Network, networkIn } from '../../keys-pipeline/networks.ts'

const SET = '.well-known/jwks.json'
const line = (address: string | null, more: object = {}): string =>
  JSON.stringify({
    ...{ time: '2026-11-25T10:00:00.000Z', address, forwarded: null, userAgent: 'Interconnect' },
    ...{ method: 'GET', path: `/${SET}`, status: 200, bytes: 700, ...more },
  })

async function* each(lines: readonly (string | null)[]) {
  yield* lines
}
const group = (lines: readonly (string | null)[], wanted: Partial<Wanted> = {}) =>
  groupFetches(each(lines), { sets: [SET], ...wanted })

test('addresses of one network are one line, with what was had and what was not', async () => {
  const { networks } = await group([
    line('192.0.2.1'),
    line('192.0.2.2', { status: 304, bytes: 0, time: '2026-11-26T10:00:00.000Z' }),
    line('192.0.2.2', { status: 503, userAgent: null }),
    line('192.0.2.2', { path: '/index.html' }),
    line('2001:db8:1::7'),
  ])
  expect(networks).toEqual([
    {
      ...{ network: '192.0.2.0/24', requests: 4, addresses: 2, failures: {}, sets: { [SET]: 2 } },
      ...{ first: '2026-11-25T10:00:00.000Z', last: '2026-11-26T10:00:00.000Z' },
      ...{ statuses: { 200: 2, 304: 1, 503: 1 }, agents: ['Interconnect', '(none)'] },
    },
    expect.objectContaining({ network: '2001:db8:1::/48', requests: 1 }),
  ])
})

describe('a key set was had', () => {
  test.each<[string, object, boolean]>([
    ['when it came whole', {}, true],
    ['when it was known already', { status: 304, bytes: 0 }, true],
    ['past a cache', { path: `/${SET}?x=1` }, true],
    ['by its whole URL', { path: `http://keys.example.com/${SET}` }, true],
    ['by a name that is spelt otherwise', { path: '/%2Ewell-known/jwks.json' }, true],
    ['not by HEAD', { method: 'HEAD', bytes: 0 }, false],
    ['not when HEAD says that it is known', { method: 'HEAD', status: 304, bytes: 0 }, false],
    ['not when it broke off', { bytes: 0 }, false],
    ['not when something else was', { path: '/index.html' }, false],
    ['not when a part of its name was', { path: `/x/${SET}` }, false],
    ['not when it failed', { status: 503 }, false],
  ])('%s', async (_, more, had) => {
    const grouped = await group([line('192.0.2.1', more)])
    expect(grouped.had).toBe(had)
    expect(grouped.networks).toMatchObject([{ sets: had ? { [SET]: 1 } : {}, requests: 1 }])
  })
})

const failure = (reason: unknown): string =>
  JSON.stringify({
    ...{ time: '2026-11-25T10:00:00Z', event: 'connection_failed', address: '192.0.2.1', reason },
  })

test('a connection that failed is no fetch, and why it did is counted', async () => {
  const { networks, had } = await group([failure('x'), failure('x'), failure('__proto__')])
  expect(had).toBe(false)
  expect(networks).toMatchObject([{ requests: 0, sets: {} }])
  expect(Object.entries(networks[0]?.failures ?? {})).toEqual([
    ['x', 2],
    ['__proto__', 1],
  ])
})

test('what clients choose takes no room without end', async () => {
  const many = Array.from({ length: 1000 }, (_, at) => [
    failure(`${at}`.padStart(5000, 'x')),
    line(`192.0.2.${at % 256}`, { userAgent: `${at}`.repeat(2000) }),
  ])
  const { networks } = await group(many.flat())
  expect(networks[0]).toMatchObject({ requests: 1000, addresses: 256 })
  expect(JSON.stringify(networks).length).toBeLessThan(3000)
  expect(Object.values(networks[0]?.failures ?? {}).reduce((a, b) => a + b)).toBe(1000)
})

test('lines that the server lost are counted, and it is known where the log begins', async () => {
  const lost = { time: '2026-11-20T10:00:00.000Z', event: 'lines_lost', count: 7 }
  expect(await group([line('192.0.2.1'), JSON.stringify(lost)])).toMatchObject({
    ...{ lost: 7, unread: 0, begins: '2026-11-20T10:00:00.000Z' },
  })
  expect(await group([])).toMatchObject({ begins: null, had: false, lines: 0 })
})

test('a time that plays tricks comes out as a time', async () => {
  const { networks } = await group([
    line('192.0.2.1', { time: '25 Nov 2026 10:00 UTC (\u001b[2J)' }),
  ])
  expect(networks).toMatchObject([{ first: '2026-11-25T10:00:00.000Z' }])
})

test('one network and one time can be asked for', async () => {
  const from = [networkIn('192.0.2.0/24') as Network]
  const lines = [
    line('192.0.2.1'),
    line('198.51.100.1'),
    line('192.0.2.9', { time: '2026-11-27T00:00:00Z' }),
  ]
  expect((await group(lines, { from })).networks).toMatchObject([{ requests: 2 }])
  expect((await group(lines, { from, since: '2026-11-26T00:00:00.000Z' })).networks).toMatchObject([
    { addresses: 1, requests: 1 },
  ])
})

describe('a line that is none of the log is counted and left out', () => {
  test.each([
    [null],
    ['{"time":"2026-11-25T10:00'],
    [`${line('192.0.2.1')}${line('192.0.2.1')}`],
    [line('192.0.2.1', { time: '2026-11-25T99:00:00Z' })],
    [line('192.0.2.1', { status: 1e9 })],
    [line('192.0.2.1', { status: 20.5 })],
    [line('192.0.2.1', { bytes: -1 })],
    [line('192.0.2.1', { path: 7 })],
    [line('192.0.2.1', { method: null })],
    [line('192.0.2.1/24')],
    [line('010.0.0.1')],
    ['null'],
    ['[]'],
    ['serving http://127.0.0.1:8080/'],
    [line('192.0.2.1', { time: 7 })],
    [line('192.0.2.1', { status: 'x' })],
    [line('a hospital')],
  ])('%.40s', async text => {
    const { networks, unread, lines } = await group([text, line('192.0.2.1')])
    expect([networks.length, unread, lines]).toEqual([1, 1, 2])
  })

  test('but an event of the server is none of these', async () => {
    const { unread } = await group(['{"time":"2026-11-25T10:00:00Z","event":"site_replaced"}'])
    expect(unread).toBe(0)
  })
})
