import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { basic, makeWorld, SECRET, type World } from '../../support/world.ts'

let world: World
beforeAll(async () => {
  world = await makeWorld({
    prepare: async (file, folder) => {
      writeFileSync(join(folder, 'seal'), randomBytes(32), { mode: 0o600 })
      const publicUrl = 'http://127.0.0.1:8410'
      file.launch = { listen: { port: 0 }, publicUrl, sealKeys: ['seal'] }
    },
  })
})
afterAll(() => world.close())

const FORM = 'application/x-www-form-urlencoded'
const OURS = basic('scheduling', SECRET)

test.each<['GET' | 'POST', string, string, string, number, string]>([
  ['POST', FORM, 'code=x', OURS, 400, 'connection_code_refused'],
  ['POST', FORM, 'code=', OURS, 400, 'connection_code_missing'],
  ['POST', FORM, 'code=x&code=y', OURS, 400, 'parameter_twice'],
  ['POST', FORM, 'code=x', basic('scheduling', 'y'), 401, 'client_refused'],
  ['POST', 'application/json', '{"code":"x"}', OURS, 400, 'content_type_wrong'],
  ['POST', FORM, 'x'.repeat(33_000), OURS, 413, 'body_too_large'],
  ['GET', FORM, '', OURS, 405, 'method_not_allowed'],
])(
  '%s %s %.20s is refused, and recorded',
  async (method, type, payload, authorization, status, code) => {
    const before = (await world.audit().catch(() => [])).length
    const reply = await world.app.inject({
      ...{ method, url: '/oauth2/connection', headers: { 'content-type': type, authorization } },
      ...(method === 'POST' && { payload }),
    })
    expect([reply.statusCode, reply.json().code]).toEqual([status, code])
    expect(reply.headers['cache-control']).toBe('no-store')
    const records = (await world.audit()).slice(before)
    expect(records).toMatchObject([{ action: 'connection', decision: 'refused' }])
  },
)

test('the OpenAPI document has it, and a broker without users has neither', async () => {
  const documents = [world, await makeWorld()].map(async each => {
    const { paths } = (await each.app.inject('/openapi.json')).json()
    if (each !== world) await each.close()
    return Object.keys(paths).includes('/oauth2/connection')
  })
  expect(await Promise.all(documents)).toEqual([true, false])
})
