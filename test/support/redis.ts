import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { folderWith } from './keys.ts'
import { openRedisServer, type Redis } from './redis-server.ts'

/** A redis-server until the test ends. */
export async function startRedis({
  args = [],
  tls,
}: {
  args?: readonly string[]
  tls?: { cert: string; key: string }
} = {}): Promise<Redis> {
  const folder = folderWith(tls ? { 'cert.pem': tls.cert, 'key.pem': tls.key } : {})
  const redis = await openRedisServer({
    ...{ folder, args },
    tls:
      tls &&
      (port => [
        ...['--port', '0', '--tls-port', `${port}`, '--tls-auth-clients', 'no'],
        ...['--tls-cert-file', join(folder, 'cert.pem'), '--tls-key-file', join(folder, 'key.pem')],
      ]),
  })
  onTestFinished(redis.kill)
  return redis
}
