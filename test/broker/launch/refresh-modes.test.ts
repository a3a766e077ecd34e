import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeEpicLaunchWorld } from '../../support/epic-launch-world.ts'
import { FOR_SERVICE } from '../../support/launch-world.ts'
import { basic, SECRET, type World } from '../../support/world.ts'

let world: World & { publicUrl: string }
let dispatcher: Agent
beforeAll(async () => {
  world = await makeEpicLaunchWorld(FOR_SERVICE)
  dispatcher = new Agent({ connect: { ca: readFileSync(join(world.folder, 'ca.pem')) } })
})
afterAll(async () => {
  await dispatcher.close()
  await world.close()
})

const post = (path: string, form: Record<string, string>) =>
  world.app.inject({
    ...{ method: 'POST', url: path, payload: new URLSearchParams(form).toString() },
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      authorization: basic('scheduling', SECRET),
    },
  })

/** The local Epic starts the app from a chart, and the service takes the connection over. */
async function connected(patient: string): Promise<string> {
  const { launch } = world
  const start = new URL(world.epic.launchUrl({ clientId: 'user-app', patient }))
  const out = await launch?.inject(`${start.pathname}${start.search}`)
  const { headers } = await request(String(out?.headers.location), { dispatcher })
  const cookie = out?.cookies.map(({ name, value }) => `${name}=${value}`).join('; ') ?? ''
  const back = String(headers['location']).slice(world.publicUrl.length)
  const done = await launch?.inject({ url: back, headers: { cookie } })
  const code = new URL(String(done?.headers.location)).searchParams.get('code') ?? ''
  return (await post('/oauth2/connection', { code })).json().connection
}

const exchange = (handle: string) =>
  post('/oauth2/token', {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: handle,
    subject_token_type: 'urn:lockstep:params:oauth:token-type:connection',
  })

/** What the FHIR server answers to the service that shows the token. */
async function read(handle: string): Promise<number> {
  const { access_token, context } = (await exchange(handle)).json()
  const { statusCode, body } = await request(`${world.epic.fhirBase}/Patient/${context.patient}`, {
    ...{ dispatcher, headers: { authorization: `Bearer ${access_token}` } },
  })
  await body.dump()
  return statusCode
}

test.each(['plain', 'rolling', 'indefinite'] as const)(
  'at a hospital whose refresh tokens are %s, a service reads on for days, for the patient of the launch',
  async mode => {
    world.epic.grants.refreshMode = mode
    const handle = await connected('eq081')
    for (let days = 0; days < 3; days++) {
      expect((await exchange(handle)).json().context.patient).toBe('eq081')
      expect(await read(handle)).toBe(200)
      world.clock.advance(24 * 3600)
    }
  },
)

test('when the time that the hospital gave is over, the service is told that the user must log in again', async () => {
  world.epic.grants.refreshMode = 'rolling'
  const handle = await connected('eq081')
  world.clock.advance(89 * 24 * 3600)
  expect(await read(handle)).toBe(200)
  world.clock.advance(2 * 24 * 3600)
  expect((await exchange(handle)).json().code).toBe('connection_needs_login')
})
