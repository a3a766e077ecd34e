import { describe, expect, onTestFinished, test } from 'vitest'
import { secretHash } from '../../broker/access/secrets.ts'
import { changeConfig } from '../support/change-config.ts'
import { basic, COVERAGE, makeWorld, PATIENT, SECRET, type World } from '../support/world.ts'

async function world(): Promise<World> {
  const made = await makeWorld({ tokenLife: 3600 })
  onTestFinished(() => made.close())
  return made
}

describe('a new generation', () => {
  test('decides from the next request on', async () => {
    const made = await world()
    expect((await made.ask()).statusCode).toBe(200)
    await changeConfig(made, file => {
      for (const service of Object.values(file.services)) service.grants = []
    })
    expect((await made.ask()).json().error).toBe('invalid_target')
  })

  test('of policy alone drops no token', async () => {
    const made = await world()
    const first = (await made.ask()).json().access_token
    await changeConfig(made, file => {
      file.services['billing'] = {
        secretSha256: [secretHash('another-secret-of-another-service')],
        grants: [{ upstream: 'epic', scopes: [PATIENT] }],
      }
    })
    expect((await made.ask()).json().access_token).toBe(first)
    const other = await made.ask({}, basic('billing', 'another-secret-of-another-service'))
    expect(other.json().access_token).toBe(first)
    expect(made.epic.tokenRequests).toBe(1)
  })

  test('of another client ID asks anew', async () => {
    const made = await world()
    await made.ask()
    await changeConfig(made, file => {
      const epic = file.upstreams['epic']
      if (epic) Object.assign(epic, { clientId: 'app-both', scopes: [PATIENT, COVERAGE] })
      for (const service of Object.values(file.services))
        service.grants = [{ upstream: 'epic', scopes: [PATIENT, COVERAGE] }]
    })
    expect((await made.ask()).json().scope).toBe(`${PATIENT} ${COVERAGE}`)
    expect(made.epic.tokenRequests).toBe(2)
  })

  test('forgets what was refused, since it may have been mended', async () => {
    const made = await world()
    made.epic.faults.push((_, reply) => reply.code(400).send({ error: 'invalid_client' }))
    expect((await made.ask()).statusCode).toBe(502)
    expect((await made.ask()).statusCode).toBe(502)
    await changeConfig(made, () => {})
    expect((await made.ask()).statusCode).toBe(200)
    expect(made.epic.tokenRequests).toBe(2)
  })

  test('lets a request end under the one it began with, though its upstream is gone', async () => {
    const made = await world()
    const [arrived, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    made.epic.faults.push(async (_, reply) => {
      arrived.resolve()
      await released.promise
      return reply.code(503).send({})
    })
    const asked = made.ask()
    await arrived.promise
    await changeConfig(made, file => {
      const { epic } = file.upstreams
      if (epic) file.upstreams = { other: epic }
      for (const service of Object.values(file.services)) service.grants = []
    })
    released.resolve()
    // The second attempt signs with the key of the first generation.
    expect((await asked).statusCode).toBe(200)
    expect((await made.ask()).json().error).toBe('invalid_target')
  })

  test('is named by every record from then on', async () => {
    const made = await world()
    await made.ask()
    await changeConfig(made, file => {
      file.services['x'] = { secretSha256: [secretHash(SECRET)], grants: [] }
    })
    await made.ask()
    const [first, second] = (await made.audit()).map(each => each.config)
    expect(first).not.toBe(second)
  })

  test('grants a group, and what joins it later', async () => {
    const made = await world()
    await changeConfig(made, file => {
      const { epic } = file.upstreams
      if (epic) epic.labels = { region: 'west' }
      for (const service of Object.values(file.services))
        service.grants = [{ labels: { region: 'west' }, scopes: [PATIENT] }]
    })
    expect((await made.ask({ audience: 'epic' })).statusCode).toBe(200)
    expect((await made.ask({ audience: 'new' })).json().error).toBe('invalid_target')
    await changeConfig(made, file => {
      const { epic } = file.upstreams
      if (epic) file.upstreams['new'] = epic
    })
    expect((await made.ask({ audience: 'new' })).statusCode).toBe(200)
  })
})
