import type { AddressInfo } from 'node:net'
import process from 'node:process'
import fastify from 'fastify'
import { say } from '../../support/console.ts'

/** A Fastify server that does nothing. */
const app = fastify()
await app.listen({ host: '127.0.0.1', port: 0 })
// What it has compiled is kept where it ends by itself.
process.once('SIGTERM', () => process.exit())
say(`port ${(app.server.address() as AddressInfo).port}`)
