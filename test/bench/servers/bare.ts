import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { say } from '../../support/console.ts'
import { ANSWER, HEADERS } from './answer.ts'

/** Reads the body and answers fixed bytes: the limit of this runtime. */
const length = Buffer.byteLength(ANSWER)
const server = createServer((request, reply) => {
  request.resume()
  request.once('end', () => {
    reply.writeHead(200, { ...HEADERS, 'content-length': length }).end(ANSWER)
  })
})
server.listen(0, '127.0.0.1', () => say(`port ${(server.address() as AddressInfo).port}`))
