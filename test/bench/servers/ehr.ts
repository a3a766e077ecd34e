import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import process from 'node:process'
import { setTimeout as after } from 'node:timers/promises'
import { say } from '../../support/console.ts'

/** An EHR that believes everybody: `ehr.ts [delay in ms] [life in s]`; `GET /calls` tells how many tokens it has issued. */
const [delay = 0, life = 3600] = process.argv.slice(2).map(Number)
let calls = 0
const server = createServer(async (request, reply) => {
  if (request.method !== 'POST') {
    if (request.url !== '/calls') return void reply.writeHead(404).end()
    return void reply.end(`${calls}`)
  }
  for await (const _ of request);
  const nth = calls++
  if (delay > 0) await after(delay)
  const token = `${nth}`.padStart(10, '0').padEnd(800, 'x')
  reply.writeHead(200, { 'content-type': 'application/json' }).end(
    JSON.stringify({
      ...{ access_token: token, token_type: 'Bearer', expires_in: life },
      scope: 'system/Patient.read',
    }),
  )
})
server.listen(0, '127.0.0.1', () => say(`port ${(server.address() as AddressInfo).port}`))
