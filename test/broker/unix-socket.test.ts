import { existsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { clearSocket } from '../../broker/unix-socket.ts'
import { folderWith } from '../support/keys.ts'
import { run } from '../support/processes.ts'

const listening = (path: string) => {
  const server = createServer()
  onTestFinished(() => void server.close())
  return new Promise<void>(done => server.listen(path, done))
}

test('a socket that somebody answers at stays', async () => {
  const path = join(folderWith(), 'a.sock')
  await listening(path)
  await clearSocket(path)
  expect(existsSync(path)).toBe(true)
})

test('a socket that nobody answers at is taken away', async () => {
  const folder = folderWith({
    'leave.mjs': `import { createServer } from 'node:net'
      createServer().listen(process.argv[2], () => process.kill(process.pid, 'SIGKILL'))`,
  })
  const path = join(folder, 'a.sock')
  await run(join(folder, 'leave.mjs'), [path])
  expect(existsSync(path)).toBe(true)
  await clearSocket(path)
  expect(existsSync(path)).toBe(false)
})

test('what is no socket is never touched, and nothing is no trouble', async () => {
  const path = join(folderWith(), 'a.sock')
  await clearSocket(path)
  writeFileSync(path, 'a file of somebody')
  await clearSocket(path)
  expect(existsSync(path)).toBe(true)
})
