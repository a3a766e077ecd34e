import { describe, expect, test } from 'vitest'
import type { Certificate, Evidence, Handshake } from '../../../keys-pipeline/doctor/evidence.ts'
import { judgeWay } from '../../../keys-pipeline/doctor/judge-way.ts'

const AT = Date.parse('2026-11-25')
const certificate: Certificate = {
  ...{ fingerprint: 'AA', subject: 'CN=keys.example.com', issuer: 'CN=R13', rsaBits: null },
  ...{ isForHost: true, namesIssuer: true, from: AT - 1, to: AT + 60 * 86_400_000 },
}
const shaken: Handshake = {
  ...{ failure: null, mistrust: null, certificate, protocol: 'TLSv1.3', older: ['TLSv1.2'] },
}
const door = (address: string, tls: Partial<Handshake> | null = {}) => ({
  ...{ address, reached: 'open' as const },
  tls: tls && { ...shaken, ...tls },
})
const evidence = (more: Partial<Evidence> = {}): Evidence => ({
  ...{ url: new URL('https://keys.example.com/jwks.json'), at: AT },
  names: { addresses: ['185.199.108.153'], isGiven: false },
  ...{ doors: [door('185.199.108.153')], plain: null, answers: null, ...more },
})
const codes = (more: Partial<Evidence>): (string | null)[] =>
  judgeWay(evidence(more)).flatMap(each => each.code ?? [])

test('a good way has a line for each of its checks, and no code', () => {
  const remarks = judgeWay(evidence())
  expect(remarks.map(each => each.check)).toEqual([
    'url',
    'name',
    'door',
    'certificate',
    'protocol',
  ])
  expect(remarks.every(each => each.level === 'good' && each.code === null)).toBe(true)
})

describe('of the URL', () => {
  test.each([
    ['https://owner.github.io/r/.well-known/jwks.json', ['url_shared_host']],
    ['https://raw.githubusercontent.com/o/r/main/jwks.json', ['url_raw_host']],
    ['https://gist.githubusercontent.com/o/1/raw/jwks.json', ['url_raw_host']],
    ['https://198.51.100.7/jwks.json', ['url_is_address']],
    ['https://[2606:50c0:8000::153]/jwks.json', ['url_is_address']],
    ['https://keys.example.com:8443/jwks.json', ['url_port']],
    ['https://keys.github.io.example.com/jwks.json', []],
  ])('%s', (url, expected) => {
    expect(codes({ url: new URL(url) })).toEqual(expected)
  })
})

describe('of the name', () => {
  test.each([
    [['10.0.0.1'], ['name_private']],
    [['192.168.1.1', '185.199.108.153'], ['name_private']],
    [['100.64.0.1'], ['name_private']],
    [['169.254.1.1'], ['name_private']],
    [['::ffff:127.0.0.1'], ['name_private']],
    [['fd00::1', '185.199.108.153'], ['name_private']],
    [['2606:50c0:8000::153'], ['name_without_ipv4']],
    [[], ['name_not_found']],
  ])('%j', (addresses, expected) => {
    expect(codes({ names: { addresses, isGiven: false } })).toEqual(expected)
  })

  test('that was not asked nothing is said', () => {
    expect(codes({ names: { addresses: ['10.0.0.1'], isGiven: true } })).toEqual([])
  })
})

describe('of the addresses', () => {
  const shut = (address: string, reached: 'closed' | 'timeout' | 'no_route') => ({
    ...{ address, reached, tls: null },
  })
  test.each([
    ['all are closed', [shut('185.199.108.153', 'closed')], ['door_closed']],
    ['none answers', [shut('185.199.108.153', 'timeout')], ['door_closed']],
    ['this machine is offline', [shut('185.199.108.153', 'no_route')], ['door_closed']],
    ['this machine has no IPv6', [shut('2606:50c0:8000::153', 'no_route')], []],
    [
      'one is closed',
      [door('185.199.108.153'), shut('185.199.109.153', 'closed')],
      ['door_of_one_closed'],
    ],
  ])('%s', (_, doors, expected) => {
    expect(codes({ doors })).toEqual(expected)
  })
})

describe('of certificate and TLS', () => {
  test.each<[string, Partial<Handshake>[], string[]]>([
    [
      'two servers have two',
      [{}, { certificate: { ...certificate, fingerprint: 'BB' } }],
      ['certificates_differ'],
    ],
    [
      'one fault at two servers is said once',
      [{ mistrust: 'CERT_HAS_EXPIRED' }, { mistrust: 'CERT_HAS_EXPIRED' }],
      ['certificate_expired'],
    ],
    [
      'one server of two is behind',
      [{}, { mistrust: 'CERT_HAS_EXPIRED' }],
      ['certificate_expired'],
    ],
    [
      'the chain is cut, of a public authority',
      [{ mistrust: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' }],
      ['chain_incomplete'],
    ],
    [
      'the chain is cut, of one of our own',
      [
        {
          mistrust: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
          certificate: { ...certificate, namesIssuer: false },
        },
      ],
      ['certificate_untrusted'],
    ],
    ['it signs itself', [{ mistrust: 'DEPTH_ZERO_SELF_SIGNED_CERT' }], ['certificate_untrusted']],
    [
      'it ends in 13 days',
      [{ certificate: { ...certificate, to: AT + 13.5 * 86_400_000 } }],
      ['certificate_ends_soon'],
    ],
    ['it ends in 14 days', [{ certificate: { ...certificate, to: AT + 14.5 * 86_400_000 } }], []],
    [
      'it is for another name and has expired',
      [{ mistrust: 'CERT_HAS_EXPIRED', certificate: { ...certificate, isForHost: false } }],
      ['certificate_expired', 'certificate_other_name'],
    ],
    [
      'a cipher is missing',
      [{ failure: 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE', certificate: null, protocol: null }],
      ['tls_failed'],
    ],
    [
      'TLS 1.0 at most',
      [{ failure: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', older: ['TLSv1'] }],
      ['tls_too_old'],
    ],
  ])('%s', (_, handshakes, expected) => {
    expect(codes({ doors: handshakes.map((each, at) => door(`185.199.108.${at}`, each)) })).toEqual(
      expected,
    )
  })
})

describe('of http://', () => {
  const plain = (status: number, location?: string) => ({
    ...{
      url: 'http://keys.example.com/jwks.json',
      failure: null,
      status,
      body: Buffer.alloc(0),
      took: 1,
    },
    headers: location ? { location } : {},
  })
  test.each([
    [plain(301, 'https://keys.example.com/jwks.json'), []],
    [plain(308, 'https://keys.example.com/'), ['http_elsewhere']],
    [plain(302, 'http://['), ['http_elsewhere']],
    [plain(302), ['http_elsewhere']],
    [plain(200), ['http_served']],
    [plain(404), []],
    [{ ...plain(0), failure: 'unreachable' as const }, []],
  ])('%#', (look, expected) => {
    expect(codes({ plain: look })).toEqual(expected)
  })
})
