import fastify from 'fastify'
import { expect, test } from 'vitest'
import { watchStopping } from '../../../broker/http/stopping.ts'

test('a reply that is under way when the broker stops closes its connection', async () => {
  const app = fastify({ forceCloseConnections: 'idle' })
  const isStopping = watchStopping(app)
  const arrived = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  app.get('/slow', async () => {
    arrived.resolve()
    await released.promise
    return {}
  })
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  const asked = fetch(`${origin}/slow`)
  await arrived.promise
  expect(isStopping()).toBe(false)
  const closed = app.close()
  await expect.poll(isStopping).toBe(true)
  released.resolve()
  expect((await asked).headers.get('connection')).toBe('close')
  await closed
})
