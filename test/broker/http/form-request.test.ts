import fastify from 'fastify'
import { describe, expect, test } from 'vitest'
import { type FormRequest, readForm } from '../../../broker/http/form-request.ts'
import { takeText } from '../../../broker/http/framework.ts'

async function read(
  payload: string,
  { url = '/', type = 'application/x-www-form-urlencoded' } = {},
  method: 'POST' | 'GET' = 'POST',
): Promise<FormRequest> {
  const app = fastify()
  takeText(app)
  let form: FormRequest | undefined
  app.all('/', async request => {
    form = readForm(request, ['resource'])
    return {}
  })
  await app.inject({ method, url, payload, headers: { 'content-type': type } })
  await app.close()
  if (!form) throw new Error('nothing was read')
  return form
}

test('a form is read, and a parameter without a value counts as left out', async () => {
  const { form, given, fault } = await read('a=1&b=&c=%20x')
  expect([...form]).toEqual([
    ['a', '1'],
    ['c', ' x'],
  ])
  expect([given.length, fault]).toEqual([2, null])
})

describe('what is wrong is carried along, not thrown', () => {
  test.each([
    ['a=1&a=2', {}, 'parameter_twice'],
    ['a=&a=2', {}, 'parameter_twice'],
    ['a=1', { url: '/?b=2' }, 'query_not_allowed'],
    ['{"a":1}', { type: 'application/json' }, 'content_type_wrong'],
    ['a=1', { type: 'application/x-www-form-urlencoded; charset=latin1' }, 'content_type_wrong'],
  ])('%s %j', async (payload, more, code) => {
    expect((await read(payload, more)).fault?.code).toBe(code)
  })

  test('another method', async () => {
    expect((await read('', {}, 'GET')).fault?.code).toBe('method_not_allowed')
  })
})

test('what is repeatable may be repeated', async () => {
  expect((await read('resource=a&resource=b')).fault).toBeNull()
})
