import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { basic, makeWorld, SECRET, type World } from '../../support/world.ts'

let world: World
beforeAll(async () => {
  world = await makeWorld()
})
afterAll(() => world.close())

describe('a report that is malformed is refused, and recorded', () => {
  test.each([
    ['GET', '', {}, 405, 'method_not_allowed'],
    ['POST', 'token=a&token=b', {}, 400, 'parameter_twice'],
    ['POST', '{"token":"a"}', { 'content-type': 'application/json' }, 400, 'content_type_wrong'],
    ['POST', 'x=1', {}, 400, 'token_missing'],
    ['POST', `token=${'x'.repeat(40_000)}`, {}, 413, 'body_too_large'],
    ['POST', 'token=a', { authorization: '' }, 401, 'credentials_malformed'],
  ] as const)('%s %.20s %j', async (method, payload, headers, status, code) => {
    const before = (await world.audit().catch(() => [])).length
    const { statusCode, json } = await world.app.inject({
      ...{ method, url: '/oauth2/report', payload },
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: basic('scheduling', SECRET),
        ...headers,
      },
    })
    expect([statusCode, json().code]).toEqual([status, code])
    expect((await world.audit()).slice(before)).toMatchObject([{ action: 'report', code }])
  })
})
