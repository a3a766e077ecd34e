import fc from 'fast-check'
import type { FastifyRequest } from 'fastify'
import { expect, test } from 'vitest'
import { BrokerError } from '../../../broker/errors.ts'
import { readTokenRequest } from '../../../broker/http/token-request.ts'

const request = (body: string): FastifyRequest =>
  ({
    id: 'id',
    ip: '192.0.2.1',
    raw: { rawHeaders: [] },
    method: 'POST',
    url: '/oauth2/token',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body,
  }) as unknown as FastifyRequest

test('the ask is read from the form', () => {
  const read = readTokenRequest(
    request(
      'grant_type=client_credentials&resource=https%3A%2F%2Fa&audience=b&scope=c+d&minimum_ttl=60',
    ),
    null,
    null,
  )
  expect(read).toMatchObject({
    ask: { resources: ['https://a'], audience: 'b', scope: 'c d' },
    minimumTtl: 60,
    address: '192.0.2.1',
    fault: null,
  })
})

test('a fault that the framework found comes before our own', () => {
  expect(readTokenRequest(request(''), new BrokerError('body_too_large'), null).fault?.code).toBe(
    'body_too_large',
  )
})

test('no body whatever throws', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), body => {
      const { fault, minimumTtl } = readTokenRequest(request(body), null, null)
      return (fault === null || fault.row.status < 500) && Number.isSafeInteger(minimumTtl)
    }),
  )
})
