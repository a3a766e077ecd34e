import type { AddressInfo } from 'node:net'
import Provider from 'oidc-provider'
import { say } from '../../support/console.ts'

/** A certified authorization server, as its own documents have one begin. */
const [id = '', secret = ''] = (process.env['BENCH_CLIENT'] ?? '').split(':')
const provider = new Provider('http://127.0.0.1', {
  clients: [
    {
      ...{ client_id: id, client_secret: secret },
      token_endpoint_auth_method: 'client_secret_basic',
      ...{ grant_types: ['client_credentials'], redirect_uris: [], response_types: [] },
    },
  ],
  scopes: ['system/Patient.read'],
  features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
  routes: { token: '/oauth2/token' },
})
const server = provider.listen(0, '127.0.0.1', () =>
  say(`port ${(server.address() as AddressInfo).port}`),
)
