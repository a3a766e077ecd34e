import type { RequestListener } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { BrokerError } from '../../../broker/errors.ts'
import { discover } from '../../../broker/upstream/discovery.ts'
import { openVisits } from '../../../broker/upstream/discovery-fetch.ts'
import { LocalEpic } from '../../sandbox/local-epic.ts'
import { type Authority, makeAuthority } from '../../support/certificates.ts'

let authority: Authority
beforeAll(async () => {
  authority = await makeAuthority()
})

async function serve(
  answer: RequestListener,
  options: Parameters<Authority['issue']>[0] & { maxVersion?: 'TLSv1.1' | 'TLSv1.2' } = {},
): Promise<string> {
  const { maxVersion = 'TLSv1.3', ...issued } = options
  const server = createServer(
    // OpenSSL takes TLS 1.1 only at security level 0.
    {
      ...(await authority.issue(issued)),
      minVersion: 'TLSv1',
      maxVersion,
      ciphers: 'DEFAULT:@SECLEVEL=0',
    },
    answer,
  )
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  onTestFinished(
    () =>
      new Promise<void>(done => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  )
  return `https://localhost:${(server.address() as AddressInfo).port}/r4`
}

async function ask(
  fhirBase: string,
  { clientId = null, ca = authority.ca }: { clientId?: string | null; ca?: string | null } = {},
): Promise<string> {
  const visits = openVisits(() => performance.now())
  onTestFinished(visits.close)
  try {
    const question = { fhirBase, clientId, alg: 'RS384', accepted: [] } as const
    return (await discover(question, visits.visitBy({ ca, deadline: 1 }))).tokenEndpoint
  } catch (error) {
    return (error as BrokerError).code
  }
}

const json =
  (body: unknown): RequestListener =>
  (_, reply) =>
    void reply.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
const good = json({ token_endpoint: '/token' })

describe('the local Epic', () => {
  const epicWith = async (): Promise<LocalEpic> => {
    const epic = new LocalEpic({ tls: await authority.issue(), ca: authority.ca })
    onTestFinished(() => epic.stop())
    return epic.start()
  }

  test('names its token endpoint', async () => {
    const epic = await epicWith()
    expect(await ask(epic.fhirBase)).toBe(epic.tokenUrl)
    expect(await ask(`${epic.fhirBase}/`)).toBe(epic.tokenUrl)
  })

  test('names another to a client ID whose endpoints are overridden', async () => {
    const epic = await epicWith()
    const own = epic.tokenUrl.replace('oauth2', 'oauth2/own')
    epic.tokenUrls.set('our-app', own)
    expect(await ask(epic.fhirBase, { clientId: 'our-app' })).toBe(own)
    expect(await ask(epic.fhirBase)).toBe(epic.tokenUrl)
    expect(epic.discoveries).toEqual(['our-app', undefined])
  })

  test('answers a path that it does not have with a page and 200, which is no answer', async () => {
    const epic = await epicWith()
    expect(await ask(epic.fhirBase.replace('R4', 'R5'))).toBe('upstream_not_json')
  })
})

describe('a server that is hostile, slow or out of order', () => {
  test.each<[string, RequestListener, string]>([
    ['never answers', () => {}, 'upstream_timeout'],
    [
      'sends a header and no more',
      (_, reply) => void reply.writeHead(200).write('{'),
      'upstream_timeout',
    ],
    ['never ends', endless, 'discovery_malformed'],
    ['hangs up', ({ socket }) => void socket.destroy(), 'upstream_unreachable'],
    ['sends a bomb', bomb, 'upstream_not_json'],
    [
      'sends us elsewhere',
      (_, reply) => void reply.writeHead(302, { location: '/other' }).end(),
      'upstream_redirected',
    ],
    [
      'sends less than it says',
      (_, reply) => void reply.writeHead(200, { 'content-length': 99 }).end('{'),
      'upstream_timeout',
    ],
  ])('%s', async (_, answer, code) => {
    expect(await ask(await serve(answer))).toBe(code)
  })

  test('is not followed to where a redirect leads', async () => {
    const paths: string[] = []
    const base = await serve((request, reply) => {
      paths.push(request.url ?? '')
      reply.writeHead(307, { location: '/other' }).end()
    })
    await ask(base)
    expect(paths).toEqual(['/r4/.well-known/smart-configuration'])
  })
})

describe('TLS', () => {
  test.each<[string, Parameters<typeof serve>[1], string]>([
    ['1.2 is enough', { maxVersion: 'TLSv1.2' }, 'token'],
    ['1.1 is not', { maxVersion: 'TLSv1.1' }, 'upstream_tls_failed'],
    ['wants the right name', { names: ['ehr.example.com'] }, 'upstream_tls_failed'],
    [
      'wants a certificate that is good now',
      { notAfter: new Date('2021-01-01') },
      'upstream_tls_failed',
    ],
  ])('%s', async (_, options, expected) => {
    expect(await ask(await serve(good, options))).toContain(expected)
  })

  test('wants an authority that is known', async () => {
    expect(await ask(await serve(good), { ca: null })).toBe('upstream_tls_failed')
  })
})

function endless(_: unknown, reply: Parameters<RequestListener>[1]): void {
  reply.writeHead(200, { 'content-type': 'application/json' })
  const more = (): void => {
    while (reply.write(' '.repeat(65_536)));
    reply.once('drain', more)
  }
  more()
}

/** It is not asked for, and not unpacked: 100 MB in 100 KB. */
/** Made beforehand: packing it takes as long as the deadline. */
const PACKED = gzipSync(Buffer.alloc(100 * 1024 * 1024, ' '))

function bomb(_: unknown, reply: Parameters<RequestListener>[1]): void {
  reply
    .writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
    .end(PACKED)
}
