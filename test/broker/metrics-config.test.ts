import { describe, expect, test } from 'vitest'
import type { Complaint } from '../../broker/config-rules.ts'
import { settleMetrics } from '../../broker/metrics-config.ts'

const TOKEN = 'a-token-that-only-prometheus-has-1'

function settle(listen: Parameters<typeof settleMetrics>[0], file: string | null = TOKEN) {
  const complaints: Complaint[] = []
  const metrics = settleMetrics(listen, {
    read: () => file,
    readIdentity: named => named,
    complaints,
  })
  return { metrics, at: complaints.map(each => each.at) }
}

const tls = { cert: 'c', key: 'k' }

test('it is on this machine alone, where nothing else is said', () => {
  expect(settle({ port: 9464 })).toEqual({
    metrics: { host: '127.0.0.1', port: 9464, token: null, tls: null },
    at: [],
  })
})

describe('for others it has a token or TLS', () => {
  test.each([
    [{ host: '0.0.0.0', port: 1 }, ['/metrics/listen/host']],
    [{ host: '0.0.0.0', port: 1, tokenFile: 't' }, []],
    [{ host: '::', port: 1, tls }, []],
    [{ host: '::1', port: 1 }, []],
  ])('%j', (listen, at) => {
    expect(settle(listen).at).toEqual(at)
  })

  test('and a token that could be guessed is none', () => {
    expect(settle({ port: 1, tokenFile: 't' }, 'short').at).toEqual(['/metrics/listen/tokenFile'])
  })
})
