import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import process from 'node:process'
import { tellingEhr } from './telling-ehr.ts'

/** The EHR in a process of its own: `fork(…, [seed])`; it sends its origin, and ends with who forked it. */
const ehr = tellingEhr(Number(process.argv[2]))
const server = createServer(async (request, reply) => {
  // A broker that runs for some minutes looks whether the FHIR server names the same token endpoint.
  if (request.method !== 'POST') return void reply.writeHead(404).end()
  let text = ''
  for await (const part of request) text += part
  const answer = ehr.answer(request.url ?? '', new URLSearchParams(text))
  reply.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
})
server.listen(0, '127.0.0.1', () => {
  process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
process.once('disconnect', () => process.exit(0))
