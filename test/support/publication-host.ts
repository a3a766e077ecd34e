import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import type { PublicKey } from '../../keys-pipeline/jwk.ts'
import { serializeKeySet } from '../../keys-pipeline/key-set.ts'

export type Answer = (reply: ServerResponse, request: IncomingMessage) => unknown

/** A host that publishes a key set, or what a test has it answer, over plain HTTP on this machine. */
export interface PublicationHost {
  url: string
  /** What comes next, until it is changed. */
  answer: Answer
  /** What was asked, a line each: the path, and the ETag that was shown. */
  asked: { isFresh: boolean; etag: string | undefined; agent: string | undefined }[]
}

export const CACHE = 'public, max-age=86400, s-maxage=600'

/** A good answer, as `keys serve` makes it; 304 to whoever shows its ETag. */
export function setOf(
  keys: readonly PublicKey[],
  headers: Readonly<Record<string, string>> = { 'cache-control': CACHE },
): Answer {
  const text = serializeKeySet([...keys])
  const etag = `"${Buffer.from(keys.map(each => each.thumbprint).join())
    .toString('hex')
    .slice(0, 64)}"`
  return (reply, request) => {
    const isKnown = request.headers['if-none-match'] === etag
    reply.writeHead(isKnown ? 304 : 200, {
      ...{ 'content-type': 'application/json', etag },
      ...headers,
    })
    reply.end(isKnown ? undefined : text)
  }
}

/** Until the test ends. */
export async function publicationHost(answer: Answer): Promise<PublicationHost> {
  const host: PublicationHost = { url: '', answer, asked: [] }
  const server = createServer((request, reply) => {
    host.asked.push({
      isFresh: request.url?.includes('?') ?? false,
      etag: request.headers['if-none-match'],
      agent: request.headers['user-agent'],
    })
    host.answer(reply, request)
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise(done => server.close(done))
  })
  host.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`
  return host
}
