import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { clientIn, grantedBy } from './random-policy.ts'
import type { RawConfig } from './second-policy.ts'

/** Every EHR of a random config, at one address: each grants what it grants, and writes it into the token. */
export async function startFakeEhr(config: () => RawConfig) {
  let calls = 0
  const server = createServer(async (request, reply) => {
    calls++
    let text = ''
    for await (const part of request) text += part
    const form = new URLSearchParams(text)
    const clientId = clientIn(form.get('client_assertion') ?? '')
    const url = `${origin}${request.url}`
    const { token, scopes } = grantedBy(config(), url, clientId, form.get('scope') ?? '')
    reply.writeHead(200, { 'content-type': 'application/json' }).end(
      JSON.stringify({
        access_token: token,
        token_type: 'Bearer',
        expires_in: 600,
        scope: scopes,
      }),
    )
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    origin,
    calls: () => calls,
    close: async () => {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
