import { spawnSync } from 'node:child_process'
import process from 'node:process'
import { expect, test } from 'vitest'
import { loadRedis } from '../../broker/load-redis.ts'
import { PROJECT } from '../support/processes.ts'

test('the client is the one of the package', () => {
  expect(typeof loadRedis().createClient).toBe('function')
})

test('a broker that has no shared cache does not load it', () => {
  const script = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context) } })
    await import('./broker/app.ts')
    console.log(loaded.length > 100, loaded.filter(url => url.includes('/redis/')).length)`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    ...{ cwd: PROJECT, encoding: 'utf8' },
  })
  expect(stdout.trim()).toBe('true 0')
})
