import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FOR_SERVICE, type Jar, makeLaunchWorld } from '../../support/launch-world.ts'
import { basic, SECRET } from '../../support/world.ts'

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const CONNECTION = 'urn:lockstep:params:oauth:token-type:connection'

test('nothing secret of a login is in a URL, a page, a log, the audit, the status or the store', async () => {
  const world = await makeLaunchWorld({
    ...{ launch: { ...FOR_SERVICE, offline: true }, debug: true, life: 40 },
  })
  const seen: string[] = []
  const secrets = new Map<string, string>()
  const note = (name: string, value: string | null | undefined): void => {
    if (!value) throw new Error(`there is no ${name}`)
    secrets.set(name, value)
  }
  world.ehr.tamper = body => {
    for (const name of ['access_token', 'refresh_token', 'id_token'])
      if (body[name]) note(`${name} ${secrets.size}`, String(body[name]))
    return body
  }
  const jar: Jar = new Map()
  const look = async (path: string, options = {}) => {
    const reply = await world.browse(path, jar, options)
    const { 'set-cookie': _, ...headers } = reply.headers
    seen.push(path, reply.body, JSON.stringify(headers))
    return reply
  }
  const out = await look('/oauth/epic-authorize')
  const back = new URL(await world.ehr.login(String(out.headers.location)))
  const done = await world.browse(`${back.pathname}${back.search}`, jar)
  seen.push(String(done.headers.location), done.body)
  const code = new URL(String(done.headers.location)).searchParams.get('code') ?? ''
  const post = (url: string, form: Record<string, string>) =>
    world.app.inject({
      ...{ method: 'POST', url },
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: basic('scheduling', SECRET),
      },
      payload: new URLSearchParams(form).toString(),
    })
  const { connection } = (await post('/oauth2/connection', { code })).json()
  note('handle', connection)
  note('session', jar.get('__Host-lockstep-session.epic'))
  const form = { grant_type: EXCHANGE, subject_token: connection, subject_token_type: CONNECTION }
  world.clock.advance(11)
  expect((await post('/oauth2/token', form)).statusCode).toBe(200)
  for (const one of world.ehr.tokenForms) {
    note(`assertion ${secrets.size}`, one.get('client_assertion'))
    if (one.has('code')) note('verifier', one.get('code_verifier'))
  }
  const page = { headers: { accept: 'text/html' } }
  await look('/oauth/epic-status')
  await look('/oauth/epic-status', page)
  await look('/oauth/epic-authorize-debug', page)
  await look(`/oauth/epic-callback-test${back.search}`, page)
  // What the EHR gave is refused now, and must not come back on the page that says so.
  const refused = await world.browse(`${back.pathname}${back.search}`, jar, page)
  seen.push(refused.body, JSON.stringify(refused.headers))
  note('code of the EHR', back.searchParams.get('code'))
  seen.splice(seen.indexOf(`/oauth/epic-callback-test${back.search}`), 1)
  world.ehr.tamper = () => ({ access_token: { not: 'text' }, id_token: 7 })
  await world.login(new Map())
  seen.push(world.logged(), readFileSync(join(world.folder, 'audit.ndjson'), 'latin1'))
  seen.push(readFileSync(join(world.folder, 'audit-connections.db'), 'latin1'))
  for (const path of ['/status', '/metrics']) seen.push((await world.admin.inject(path)).body)
  await world.close()
  const everything = seen.join('\n')
  expect(secrets.size).toBeGreaterThan(8)
  expect(everything).toContain('"action":"login"')
  // The one-use code is in the return URL, and is spent; the rest is nowhere.
  const found = [...secrets].filter(([, value]) => everything.includes(value))
  expect(found.map(([name]) => name)).toEqual([])
})
