import type { AddressInfo } from 'node:net'
import formbody from '@fastify/formbody'
import fastify from 'fastify'
import { say } from '../../support/console.ts'
import { ANSWER, HEADERS } from './answer.ts'

/** Parses the form and answers fixed bytes: the limit of this framework. */
const app = fastify()
await app.register(formbody)
app.post('/oauth2/token', (_, reply) => reply.headers(HEADERS).send(ANSWER))
await app.listen({ host: '127.0.0.1', port: 0 })
say(`port ${(app.server.address() as AddressInfo).port}`)
