import { expect, onTestFinished, test } from 'vitest'
import { openTraces } from '../../broker/traces.ts'
import { startCollector } from '../support/collector.ts'
import { basic, makeWorld, SECRET, type World } from '../support/world.ts'

const CALLER = { trace: '0af7651916cd43dd8448eb211c80319c', span: 'b7ad6b7169203331' }

async function traced(collector: { endpoint: string }, sampleRatio = 1) {
  const failing: true[] = []
  const traces = await openTraces(
    { endpoint: collector.endpoint, headers: { 'api-key': 'k' }, ca: null, sampleRatio },
    { onFailing: () => failing.push(true) },
  )
  const world = await makeWorld({ tokenLife: 3600, traces })
  onTestFinished(() => world.close())
  return { traces, world, failing }
}

async function collecting(...args: Parameters<typeof startCollector>) {
  const collector = await startCollector(...args)
  onTestFinished(() => collector.close())
  return collector
}

const ask = ({ app }: World, headers: Record<string, string> = {}, secret = SECRET) =>
  app.inject({
    method: 'POST',
    url: '/oauth2/token',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      authorization: basic('scheduling', secret),
      ...headers,
    },
    payload: 'grant_type=client_credentials',
  })

test('a hand-out is a span under its caller’s, and the call to the EHR one under it', async () => {
  const collector = await collecting()
  const { traces, world } = await traced(collector)
  const token = (await ask(world, { traceparent: `00-${CALLER.trace}-${CALLER.span}-01` })).json()
    .access_token
  expect((await ask(world)).statusCode).toBe(200)
  await traces.close()
  const [exchange, first, second] = collector.spans
  expect(first).toMatchObject({ traceId: CALLER.trace, parentSpanId: CALLER.span, failed: false })
  expect(first?.attributes).toMatchObject({
    ...{ service: 'scheduling', upstream: 'epic', outcome: 'granted', source: 'upstream' },
    ...{ kid: world.kid, method: 'client_secret_basic' },
  })
  expect(exchange).toMatchObject({ traceId: CALLER.trace, parentSpanId: first?.spanId })
  expect(exchange?.attributes).toEqual({ upstream: 'epic', outcome: 'granted', kid: world.kid })
  expect([second?.attributes['source'], second?.parentSpanId]).toEqual(['cache', undefined])
  expect(second?.traceId).not.toBe(CALLER.trace)
  expect(collector.headers.map(each => each['api-key'])).toEqual(['k'])
  for (const secret of [token, SECRET, 'client_assertion'])
    expect(collector.bodies.join()).not.toContain(secret)
})

test('an EHR that fails is a failed span, and what a caller may not have is none', async () => {
  const collector = await collecting()
  const { traces, world } = await traced(collector)
  world.epic.faults.push((_, reply) => reply.code(400).send({ error: 'invalid_client' }))
  await ask(world)
  await ask(world, {}, 'another-secret')
  await traces.close()
  const told = collector.spans.map(({ name, failed, attributes }) => [
    ...[name, failed, attributes['outcome']],
  ])
  expect(told).toEqual([
    ['exchange', true, 'upstream_invalid_client'],
    ['token', true, 'upstream_invalid_client'],
    ['token', false, 'secret_wrong'],
  ])
})

test.each([
  ['of another form', '00-zz-zz-01'],
  ['of zeros', `00-${'0'.repeat(32)}-${'0'.repeat(16)}-01`],
  ['far too long', `00-${'a'.repeat(10_000)}-${CALLER.span}-01`],
])('a caller’s trace %s begins a trace of ours', async (_, traceparent) => {
  const collector = await collecting()
  const { traces, world } = await traced(collector)
  expect((await ask(world, { traceparent })).statusCode).toBe(200)
  await traces.close()
  expect(collector.spans.find(each => each.name === 'token')?.parentSpanId).toBeUndefined()
})

test('with a share of none only callers that trace themselves are traced', async () => {
  const collector = await collecting()
  const { traces, world } = await traced(collector, 0)
  await ask(world)
  await ask(world, { traceparent: `00-${CALLER.trace}-${CALLER.span}-01` })
  await traces.close()
  expect(collector.spans.map(each => each.traceId)).toEqual([CALLER.trace])
})

test('a collector that refuses takes nothing from a hand-out, and is told of once', async () => {
  const collector = await collecting(reply => reply.writeHead(400).end())
  const { traces, world, failing } = await traced(collector)
  for (let at = 0; at < 600; at++) expect((await ask(world)).statusCode).toBe(200)
  await traces.close()
  expect(collector.bodies.length).toBeGreaterThan(1)
  expect(failing.length).toBe(1)
})

test('a collector that never answers neither holds a hand-out nor the stop', async () => {
  const collector = await collecting(() => {})
  const { traces, world } = await traced(collector)
  expect((await ask(world)).statusCode).toBe(200)
  const stopping = traces.close()
  expect((await ask(world)).statusCode).toBe(200)
  await stopping
})
