import { describe, expect, test } from 'vitest'
import type { ConfigFile } from '../../broker/config-schema.ts'
import { listenRules } from '../../broker/listen-rules.ts'

const placesOf = (listen: ConfigFile['listen']): string[] =>
  listenRules({ listen } as ConfigFile).map(each => each.at)

const TLS = { cert: 'c', key: 'k' }

describe('is refused', () => {
  test.each<[string, ConfigFile['listen'], string[]]>([
    ['a listener for others in clear', { port: 1, host: '0.0.0.0' }, ['/listen/host']],
    ['a listener for others in clear, IPv6', { port: 1, host: '::' }, ['/listen/host']],
    [
      'TLS behind a proxy that terminates it',
      { port: 1, tls: TLS, behindProxy: true },
      ['/listen/behindProxy'],
    ],
    [
      'trusted proxies without a proxy',
      { port: 1, trustedProxies: ['10.0.0.1'] },
      ['/listen/trustedProxies'],
    ],
    [
      'a trusted proxy that is no address',
      { port: 1, behindProxy: true, trustedProxies: ['300.1.1.1'] },
      ['/listen/trustedProxies/0'],
    ],
    [
      'a trusted network that is none',
      { port: 1, behindProxy: true, trustedProxies: ['10.0.0.0/33'] },
      ['/listen/trustedProxies/0'],
    ],
    ['neither a port nor a socket', {}, ['/listen']],
    ['a socket with a port', { socket: 's', port: 1 }, ['/listen/port']],
    [
      'a socket with an address and TLS',
      { socket: 's', host: '::', tls: TLS },
      ['/listen/host', '/listen/tls'],
    ],
    [
      'a socket with trusted proxies behind none',
      { socket: 's', trustedProxies: ['10.0.0.1'] },
      ['/listen/trustedProxies'],
    ],
  ])('%s', (_, listen, at) => {
    expect(placesOf(listen)).toEqual(at)
  })
})

describe('is allowed', () => {
  test.each<[string, ConfigFile['listen']]>([
    ['a loopback address', { port: 1, host: '127.0.0.2' }],
    ['a listener for others behind a proxy', { port: 1, host: '0.0.0.0', behindProxy: true }],
    ['a listener for others with TLS', { port: 1, host: '::', tls: TLS }],
    ['trusted proxies', { port: 1, behindProxy: true, trustedProxies: ['10.0.0.0/8', '::1'] }],
    ['a socket', { socket: 's' }],
    ['a socket that a proxy asks at', { socket: 's', behindProxy: true }],
    [
      'a socket that a proxy asks at, with another in front of it',
      { socket: 's', behindProxy: true, trustedProxies: ['10.0.0.0/8'] },
    ],
  ])('%s', (_, listen) => {
    expect(placesOf(listen)).toEqual([])
  })
})
