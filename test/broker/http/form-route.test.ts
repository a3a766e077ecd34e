import fastify from 'fastify'
import { expect, onTestFinished, test } from 'vitest'
import { BrokerError } from '../../../broker/errors.ts'
import { answerForms } from '../../../broker/http/form-route.ts'
import { watchStopping } from '../../../broker/http/stopping.ts'

/** A route whose story keeps what it is told, and says no to what was wrong already. */
function route(story: (fault: BrokerError | null) => Promise<object>) {
  const app = fastify()
  onTestFinished(() => app.close())
  const told: (string | null)[] = []
  answerForms(app, {
    ...{ url: '/form', document: {}, stopping: watchStopping(app) },
    answer: async (_, fault) => {
      told.push(fault?.code ?? null)
      return story(fault)
    },
  })
  const post = (payload: string) => app.inject({ method: 'POST', url: '/form', payload })
  return { post, told }
}

test('an answer is JSON that no cache keeps', async () => {
  const { post, told } = route(async () => ({ done: true }))
  const { statusCode, headers, body } = await post('a=b')
  expect([statusCode, headers['cache-control'], JSON.parse(body), told]).toEqual([
    ...[200, 'no-store', { done: true }, [null]],
  ])
})

test.each([
  ['a refusal is the story’s', async () => Promise.reject(new BrokerError('scope_malformed'))],
  ['a bug is ours, and no more is said', async () => Promise.reject(new Error('secret'))],
])('%s', async (_, story) => {
  const { statusCode, body } = await route(story).post('a=b')
  const isBug = statusCode === 500
  expect(JSON.parse(body).code).toBe(isBug ? 'internal' : 'scope_malformed')
  expect(body).not.toContain('secret')
})

test('what the framework finds wrong is told to the story, which records it, and is the answer', async () => {
  const { post, told } = route(async fault => {
    throw fault ?? new Error('it came through')
  })
  const { statusCode, body } = await post('x'.repeat(33 * 1024))
  expect([statusCode, JSON.parse(body).code, told]).toEqual([
    ...[413, 'body_too_large', ['body_too_large']],
  ])
})

test('a story that takes what the framework refused is a bug, and not an answer', async () => {
  const { statusCode, body } = await route(async () => ({ done: true })).post('x'.repeat(33 * 1024))
  expect([statusCode, JSON.parse(body).code]).toEqual([500, 'internal'])
})
