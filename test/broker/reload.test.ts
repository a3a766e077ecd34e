import { describe, expect, test } from 'vitest'
import type { Config } from '../../broker/config.ts'
import { frozenFaults, openReload } from '../../broker/reload.ts'

function reloading() {
  const state = { files: 'a', loads: 0, good: true, taken: 0, kept: 0 }
  const reload = openReload({
    fingerprint: () => state.files,
    load: async () => {
      state.loads++
      if (!state.good) throw new Error('wrong')
    },
    onTaken: () => void state.taken++,
    onKept: () => void state.kept++,
  })
  return { state, reload }
}

test('nothing is read while nothing has changed', async () => {
  const { state, reload } = reloading()
  for (let times = 0; times < 5; times++) await reload.tick()
  expect(state.loads).toBe(0)
})

test('a change is taken once it has stopped, and once', async () => {
  const { state, reload } = reloading()
  for (const files of ['b', 'c', 'c', 'c', 'c']) {
    state.files = files
    await reload.tick()
  }
  expect(state).toMatchObject({ loads: 1, taken: 1 })
})

test('what is wrong is told once, and taken when it is mended', async () => {
  const { state, reload } = reloading()
  state.good = false
  state.files = 'b'
  for (let times = 0; times < 5; times++) await reload.tick()
  expect(state).toMatchObject({ loads: 1, taken: 0, kept: 1 })
  state.good = true
  state.files = 'c'
  for (let times = 0; times < 3; times++) await reload.tick()
  expect(state).toMatchObject({ loads: 2, taken: 1, kept: 1 })
})

test('whoever asks for it gets it now, and the next tick does not do it again', async () => {
  const { state, reload } = reloading()
  state.files = 'b'
  await reload.now()
  expect(state.taken).toBe(1)
  for (let times = 0; times < 3; times++) await reload.tick()
  expect(state.loads).toBe(1)
})

describe('what a process keeps for its life', () => {
  const config = (parts: object = {}): Config =>
    ({
      ...{ issuer: 'https://a', admin: { socket: 's' }, audit: { file: 'a', fsync: false } },
      listen: { host: 'h', port: 1, trustedProxies: [], tls: null },
      ...{ sharedCache: null, traces: null, metrics: null },
      ...parts,
    }) as unknown as Config
  const listen = { host: 'h', port: 1, trustedProxies: [], tls: null }
  const tls = { cert: 'one', key: 'one', clientCa: null }
  const asking = { ...tls, clientCa: 'ca' }
  const BOTH = ['/listen/tls', '/listen/tls/clientCa']
  test.each([
    ['issuer', { issuer: 'https://b' }, ['/issuer']],
    ['port', { listen: { ...listen, port: 2 } }, ['/listen']],
    ['TLS', { listen: { ...listen, tls } }, ['/listen/tls']],
    ['whether clients show certificates', { listen: { ...listen, tls: asking } }, BOTH],
    ['admin', { admin: { socket: 't' } }, ['/admin']],
    ['audit', { audit: { file: 'b', fsync: false } }, ['/audit']],
    ['shared cache', { sharedCache: { url: 'x' } }, ['/sharedCache']],
    ['traces', { traces: { endpoint: 'x' } }, ['/traces']],
    ['port of metrics', { metrics: { port: 2, tls } }, ['/metrics', '/metrics/listen/tls']],
    ['launch routes', { launch: { debug: true, listen: { tls: null } } }, ['/launch']],
    ['nothing', {}, []],
  ])('%s', (_, parts, at) => {
    expect(frozenFaults(config(), config(parts)).map(each => each.at)).toEqual(at)
  })

  test('but not the certificate, which is renewed', () => {
    const before = config({ listen: { ...listen, tls } })
    const next = config({ listen: { ...listen, tls: { cert: 'two', key: 'two' } } })
    expect(frozenFaults(before, next)).toEqual([])
    const scraped = (cert: string) => config({ metrics: { port: 2, tls: { cert, key: 'k' } } })
    expect(frozenFaults(scraped('one'), scraped('two'))).toEqual([])
    const browsed = (cert: string) =>
      config({ launch: { listen: { tls: { cert } }, targets: new Map([[cert, {}]]) } })
    expect(frozenFaults(browsed('one'), browsed('two'))).toEqual([])
  })
})
