import { writeFileSync } from 'node:fs'
import type { IncomingHttpHeaders } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { fetchKeysWith } from '../../../broker/access/fetch-keys.ts'
import { openConnections } from '../../../broker/upstream/connections.ts'
import { makeAuthority } from '../../support/certificates.ts'
import { folderWith } from '../../support/keys.ts'
import { rsaSigner, setOf } from '../../support/tokens.ts'

const GOOD = { status: 200, headers: {}, body: setOf(rsaSigner()) }

let server: Server
let url: string
let ca: string
let asked: IncomingHttpHeaders[]
let answer: { status: number; headers: Record<string, string>; body: string }
beforeAll(async () => {
  const authority = await makeAuthority()
  ca = authority.ca
  server = createServer(await authority.issue(), (request, reply) => {
    asked.push(request.headers)
    reply.writeHead(answer.status, answer.headers).end(answer.body)
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  url = `https://localhost:${(server.address() as AddressInfo).port}/jwks`
})
afterAll(async () => {
  server.closeAllConnections()
  await new Promise(done => server.close(done))
})
beforeEach(() => {
  asked = []
  answer = GOOD
})

const fetchKeys = fetchKeysWith(openConnections().dispatcherTo, () => 0)
const kids = async (source: object = {}) =>
  (await fetchKeys({ url, ca, tokenFile: null, ...source }))?.map(each => each.kid)

test('a key set is fetched from the authority that is trusted for it', async () => {
  expect(await kids()).toEqual(['rsa-1'])
  expect(asked[0]).not.toHaveProperty('authorization')
})

describe('there is nothing to be had', () => {
  test('from a server of another authority', async () => {
    expect(await kids({ ca: (await makeAuthority()).ca })).toBeUndefined()
    expect(asked).toEqual([])
  })

  test('from where nobody listens', async () => {
    expect(await kids({ url: 'https://localhost:1/jwks' })).toBeUndefined()
  })

  test.each<[string, Partial<typeof GOOD>]>([
    ['an error with a good body', { status: 500 }],
    ['a redirect, which is not followed', { status: 302, headers: { location: '/other' } }],
    ['a page', { body: '<!doctype html>' }],
    ['half a set', { body: GOOD.body.slice(0, -3) }],
    ['more than is read', { body: `${' '.repeat(2 * 1024 * 1024)}${GOOD.body}` }],
  ])('%s', async (_, parts) => {
    answer = { ...GOOD, ...parts }
    expect(await kids()).toBeUndefined()
    expect(asked).toHaveLength(1)
  })
})

describe('a bearer token for the key set', () => {
  test('is read anew each time, since Kubernetes replaces it (vault#13275)', async () => {
    const folder = folderWith({ token: 'first\n' })
    const tokenFile = join(folder, 'token')
    await kids({ tokenFile })
    writeFileSync(tokenFile, 'second')
    await kids({ tokenFile })
    expect(asked.map(each => each.authorization)).toEqual(['Bearer first', 'Bearer second'])
  })

  test.each([
    ['that is not there', {}],
    ['that is empty', { token: '' }],
    ['that would break a header', { token: 'a\r\nx-evil: 1' }],
  ])('%s is none, and nothing is asked without it', async (_, files) => {
    expect(await kids({ tokenFile: join(folderWith(files), 'token') })).toBeUndefined()
    expect(asked).toEqual([])
  })
})
