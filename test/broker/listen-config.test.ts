import { describe, expect, test } from 'vitest'
import type { Complaint } from '../../broker/config-rules.ts'
import { settleListen } from '../../broker/listen-config.ts'

function settle(listen: Parameters<typeof settleListen>[0]) {
  const complaints: Complaint[] = []
  const settled = settleListen(listen, {
    pathAt: (_, given) => `/etc/lockstep/${given}`,
    readIdentity: ({ cert, key }) => ({ cert: `PEM of ${cert}`, key: `PEM of ${key}` }),
    readAuthorities: given => `PEM of ${given}`,
    complaints,
  })
  return { settled, at: complaints.map(each => each.at) }
}

describe('the services’ listener', () => {
  test('is on this machine alone, in clear, and believes nobody, unless the config says otherwise', () => {
    expect(settle({ port: 8400 }).settled).toEqual({
      ...{ socket: null, host: '127.0.0.1', port: 8400 },
      ...{ behindProxy: false, trustedProxies: [], docs: true, tls: null },
    })
  })

  test('has its certificate, and asks for one where authorities are named', () => {
    const tls = { cert: 'c', key: 'k' }
    expect(settle({ port: 1, tls }).settled.tls).toMatchObject({ key: 'PEM of k', clientCa: null })
    expect(settle({ port: 1, tls: { ...tls, clientCa: 'ca' } }).settled.tls).toMatchObject({
      clientCa: 'PEM of ca',
    })
  })

  test('is a socket by its absolute path, which the system must be able to hold', () => {
    expect(settle({ socket: 's' })).toMatchObject({
      settled: { socket: '/etc/lockstep/s' },
      at: [],
    })
    expect(settle({ socket: 's'.repeat(100) }).at).toEqual(['/listen/socket'])
  })
})
