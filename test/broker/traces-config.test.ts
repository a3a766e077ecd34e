import { describe, expect, test } from 'vitest'
import type { Complaint } from '../../broker/config-rules.ts'
import { settleTraces } from '../../broker/traces-config.ts'

const ENDPOINT = 'https://collector.example.com/v1/traces'

function settle(parts: Partial<Parameters<typeof settleTraces>[0]>, file = '') {
  const complaints: Complaint[] = []
  const traces = settleTraces(
    { endpoint: ENDPOINT, ...parts },
    { readSecret: () => Buffer.from(file), readAuthorities: () => 'pem', complaints },
  )
  return { traces, complaints, at: complaints.map(each => each.at) }
}

test('all is traced, with no header, where nothing else is said', () => {
  expect(settle({}).traces).toEqual({ endpoint: ENDPOINT, headers: {}, ca: null, sampleRatio: 1 })
})

test('headers come from a file, a line each', () => {
  const { traces, at } = settle({ headersFile: 'f' }, 'api-key: secret \r\n\nx-team:platform\n')
  expect([traces.headers, at]).toEqual([{ 'api-key': 'secret', 'x-team': 'platform' }, []])
})

describe('what cannot be is complained of', () => {
  test.each([
    ['http://collector.example.com/v1/traces'],
    ['https://user:secret@collector.example.com/v1/traces'],
    ['collector:4318'],
    [''],
  ])('an endpoint %j', endpoint => {
    expect(settle({ endpoint }).at).toEqual(['/traces/endpoint'])
  })

  test('a header that is none, without a word of what it holds', () => {
    const { at, complaints } = settle({ headersFile: 'f' }, 'a: b\nsecret-without-colon\n')
    expect(at).toEqual(['/traces/headersFile'])
    expect(JSON.stringify(complaints)).not.toContain('secret')
  })

  test('but not an endpoint of this machine', () => {
    expect(settle({ endpoint: 'http://127.0.0.1:4318/v1/traces' }).at).toEqual([])
  })
})
