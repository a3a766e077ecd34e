import { describe, expect, test } from 'vitest'
import { groupFetches, type Wanted } from '../../keys-pipeline/fetches.ts'
import { type Network, networkIn } from '../../keys-pipeline/networks.ts'

const SET = '/.well-known/jwks.json'
const line = (address: string | null, more: object = {}): string =>
  JSON.stringify({
    ...{ time: '2026-11-25T10:00:00.000Z', address, forwarded: null, userAgent: 'Interconnect' },
    ...{ method: 'GET', path: SET, status: 200, bytes: 700, ...more },
  })

async function* each(lines: readonly string[]) {
  yield* lines
}
const group = (lines: readonly string[], wanted: Partial<Wanted> = {}) =>
  groupFetches(each(lines), { sets: [SET], ...wanted })

test('addresses of one network are one line, with what was had and what was not', async () => {
  const { networks } = await group([
    line('192.0.2.1'),
    line('192.0.2.2', { status: 304, time: '2026-11-26T10:00:00.000Z' }),
    line('192.0.2.2', { status: 503, userAgent: null }),
    line('192.0.2.2', { path: '/index.html' }),
    line('2001:db8:1::7'),
  ])
  expect(networks).toEqual([
    {
      ...{ network: '192.0.2.0/24', requests: 4, addresses: 2, failures: 0, sets: { [SET]: 2 } },
      ...{ first: '2026-11-25T10:00:00.000Z', last: '2026-11-26T10:00:00.000Z' },
      ...{ statuses: { 200: 2, 304: 1, 503: 1 }, agents: ['Interconnect', '(none)'] },
    },
    expect.objectContaining({ network: '2001:db8:1::/48', requests: 1 }),
  ])
})

test('a cache-buster does not hide what was fetched', async () => {
  const { networks } = await group([line('192.0.2.1', { path: `${SET}?x=1` })])
  expect(networks[0]?.sets).toEqual({ [SET]: 1 })
})

test('a handshake that failed is no fetch, and is told', async () => {
  const failed = { time: '2026-11-25T10:00:00Z', event: 'connection_failed', reason: 'x' }
  const { networks } = await group([JSON.stringify({ ...failed, address: '192.0.2.1' })])
  expect(networks).toMatchObject([{ requests: 0, failures: 1, sets: {} }])
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
    ['{"time":"2026-11-25T10:00'],
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
