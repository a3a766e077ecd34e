import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { Agent } from 'undici'
import { afterAll, describe, expect, test } from 'vitest'
import {
  type FhirCall,
  fhirThrough,
  MOST_FHIR_BYTES,
} from '../../../broker/upstream/fhir-client.ts'

const TOKEN = 'a.token/with+all-of_it~='
const PATIENT = { resourceType: 'Patient', id: '1' }

const servers: Server[] = []
const dispatcher = new Agent()
afterAll(async () => {
  for (const server of servers) {
    server.closeAllConnections()
    await new Promise(done => server.close(done))
  }
  await dispatcher.close()
})

async function serving(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/FHIR`
}

const answering =
  (status: number, body: string | Buffer, headers: Record<string, string> = {}): RequestListener =>
  (_, reply) =>
    void reply.writeHead(status, { 'content-type': 'application/fhir+json', ...headers }).end(body)

const call = async (
  listener: RequestListener,
  more: Partial<FhirCall> = {},
  deadline = 5,
): Promise<Awaited<ReturnType<ReturnType<typeof fhirThrough>>>> => {
  const fhirBase = await serving(listener)
  return fhirThrough(dispatcher)({ fhirBase, deadline }, TOKEN, {
    ...{ method: 'GET', path: 'Patient/1', ...more },
  })
}

const json = JSON.stringify

test.each<[FhirCall, string, string | undefined]>([
  [{ method: 'GET', path: 'Patient/1' }, '', undefined],
  [{ method: 'PUT', path: 'Patient/1', resource: PATIENT }, json(PATIENT), 'application/fhir+json'],
  [{ method: 'POST', path: 'Patient', resource: PATIENT }, json(PATIENT), 'application/fhir+json'],
])(
  '$method has the token, and FHIR’s type for what it wants and what it sends',
  async (asked, sent, type) => {
    const seen: { request: IncomingMessage; body: string }[] = []
    const answer = await call(async (request, reply) => {
      seen.push({ request, body: await text(request) })
      answering(200, json(PATIENT))(request, reply)
    }, asked)
    expect(answer).toEqual({ status: 200, resource: PATIENT, challenge: null })
    const [{ request, body } = {} as never] = seen
    expect([request.method, request.url, body]).toEqual([asked.method, `/FHIR/${asked.path}`, sent])
    expect(request.headers).toMatchObject({
      ...{ authorization: `Bearer ${TOKEN}`, accept: 'application/fhir+json' },
    })
    expect(request.headers['content-type']).toBe(type)
  },
)

const OUTCOME = { resourceType: 'OperationOutcome', issue: [] }

test.each<[string, RequestListener, object]>([
  [
    'application/json',
    answering(200, json(PATIENT), { 'content-type': 'application/json' }),
    {
      ...{ status: 200, resource: PATIENT, challenge: null },
    },
  ],
  [
    'an outcome',
    answering(422, json(OUTCOME)),
    { status: 422, resource: OUTCOME, challenge: null },
  ],
  [
    'a page with 404',
    answering(404, '<p>', { 'content-type': 'text/html' }),
    {
      ...{ status: 404, resource: null, challenge: null },
    },
  ],
  ['nothing', answering(201, ''), { status: 201, resource: null, challenge: null }],
  [
    'a challenge',
    answering(403, '', { 'www-authenticate': 'Bearer error="insufficient_scope"' }),
    {
      ...{ status: 403, resource: null },
      challenge: { error: 'insufficient_scope', description: null, scope: null },
    },
  ],
])('is told as it came: %s', async (_, listener, answer) => {
  expect(await call(listener)).toEqual(answer)
})

describe('what a FHIR server may do to us is bounded', () => {
  test.each<[string, RequestListener, number?]>([
    ['upstream_redirected', answering(302, '', { location: 'https://evil.example.com/' })],
    ['upstream_redirected', answering(307, json(PATIENT), { location: '/FHIR/Patient/2' })],
    ['fhir_reply_unreadable', answering(200, '<p>', { 'content-type': 'text/html' })],
    ['fhir_reply_unreadable', answering(200, '{')],
    ['fhir_reply_unreadable', answering(200, 'null')],
    ['fhir_reply_unreadable', answering(200, '{"resourceType":1}')],
    ['fhir_reply_unreadable', answering(200, Buffer.alloc(MOST_FHIR_BYTES + 1))],
    ['fhir_reply_unreadable', answering(403, Buffer.alloc(MOST_FHIR_BYTES + 1))],
    [
      'fhir_reply_unreadable',
      answering(200, gzipSync(json(PATIENT)), { 'content-encoding': 'gzip' }),
    ],
    ['upstream_timeout', () => {}, 0.05],
    ['upstream_timeout', (_, reply) => void reply.writeHead(200).write('{'), 0.2],
    ['upstream_unreachable', request => void request.socket.destroy()],
  ])('%s', async (code, listener, deadline) => {
    await expect(call(listener, {}, deadline)).rejects.toMatchObject({ code })
  })
})

test('a server that repeats the token has it taken out', async () => {
  const words = [TOKEN, json({ t: TOKEN }), json({ t: TOKEN }).replaceAll('/', '\\/')]
  const outcome = `{"resourceType":"OperationOutcome","text":${words[0] && json(words[0])},"b":${words[2]}}`
  const answer = await call(
    answering(401, outcome, { 'www-authenticate': `Bearer error_description="${TOKEN}"` }),
  )
  expect(answer.resource).toMatchObject({ text: '[token]', b: { t: '[token]' } })
  expect(json(answer)).not.toContain(TOKEN)
})

test('a path that leaves the base is refused before anything is sent', async () => {
  let requests = 0
  const asked = call(() => void requests++, { path: '../oauth2/token' })
  await expect(asked).rejects.toMatchObject({ code: 'fhir_path_unusable' })
  expect(requests).toBe(0)
})
