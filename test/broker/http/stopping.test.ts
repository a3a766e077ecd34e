import { connect, type Socket } from 'node:net'
import fastify from 'fastify'
import { describe, expect, test } from 'vitest'
import { type Stopping, watchStopping } from '../../../broker/http/stopping.ts'

async function listening() {
  const app = fastify({ forceCloseConnections: 'idle' })
  const stopping = watchStopping(app)
  const arrived = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  app.post('/slow', async () => {
    arrived.resolve()
    await released.promise
    return {}
  })
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  const speak = (text: string) =>
    new Promise<Socket>(done => {
      const socket = connect(Number(new URL(origin).port), '127.0.0.1', () =>
        socket.write(text, () => done(socket)),
      )
    })
  return { app, stopping, origin, arrived: arrived.promise, release: released.resolve, speak }
}

test('a reply that is under way when the broker stops is sent, and closes its connection', async () => {
  const { app, stopping, origin, arrived, release } = await listening()
  const asked = fetch(`${origin}/slow`, { method: 'POST' })
  await arrived
  expect(stopping.hasBegun()).toBe(false)
  const closed = app.close()
  await expect.poll(stopping.hasBegun).toBe(true)
  release()
  expect((await asked).headers.get('connection')).toBe('close')
  await closed
})

describe('does not hold up the stop', () => {
  test.each([
    ['a connection on which nothing was sent', ''],
    ['half a head', 'POST /slow HT'],
    [
      'half a body',
      'POST /slow HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{',
    ],
  ])('%s', async (_, text) => {
    const { app, speak } = await listening()
    const socket = await speak(text)
    const ended = new Promise(done => socket.once('close', done))
    socket.on('error', () => {})
    await app.close()
    await ended
  })
})

describe('what was tracked', () => {
  const settled = async (stopping: Stopping) => {
    let done = false
    void stopping.settled().then(() => {
      done = true
    })
    await new Promise(setImmediate)
    return done
  }

  test('is under way until it settles, well or badly', async () => {
    const { app, stopping } = await listening()
    const [good, bad] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    expect(await settled(stopping)).toBe(true)
    stopping.track(good.promise)
    stopping.track(bad.promise).catch(() => {})
    good.resolve()
    expect(await settled(stopping)).toBe(false)
    bad.reject(new Error('x'))
    expect(await settled(stopping)).toBe(true)
    await app.close()
  })
})
