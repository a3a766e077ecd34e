import { hash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyBaseLogger, FastifyInstance, preParsingHookHandler } from 'fastify'
import { asBrokerError } from '../errors.ts'
import { issueToken, type RepeatedRequest, type Rooms } from '../issue-token.ts'
import type { Listen } from '../listen-config.ts'
import type { Traces } from '../traces.ts'
import { authorizations, isForm, traceparentOf } from './form-request.ts'
import { type IssuedText, openIssuedText } from './issued-text.ts'
import { addressesOf } from './peers.ts'
import { bodyOf, headersOf, logError, NO_STORE } from './reply.ts'
import type { Stopping } from './stopping.ts'
import { TOKEN_URL } from './token-document.ts'

export interface KnownRoute {
  rooms: Rooms
  listen: Listen
  newId: () => string
  stopping: Stopping
  around: Traces['around']
  /** Told of each reply, and how long it took. */
  handedOut: (status: number, milliseconds: number) => void
}

/** What was read of a request before the framework has it. */
export interface Ahead {
  /** SHA-256 of who asks and for what; null of a request that was not read. */
  digestOf: (raw: IncomingMessage) => string | null
  /** Has the framework read what was read already. */
  preParsing: preParsingHookHandler
}

const NOTHING_AHEAD: Ahead = {
  digestOf: () => null,
  preParsing: (_, __, payload, done) => done(null, payload),
}

/**
 * Token requests that were granted before, byte for byte, are answered in front of the framework, which would take as
 * long as all the rest; so services get their tokens at the speed of node:http. Whatever is not known goes on to it, and
 * so does all that is unusual as HTTP, unread. Behind a proxy nothing is known: there each request says from where it
 * comes.
 */
export function answerKnown(app: FastifyInstance, route: KnownRoute): Ahead {
  const { server } = app
  const { rooms, listen, stopping } = route
  const addressOf = addressesOf(listen)
  if (addressOf === null) return NOTHING_AHEAD
  const telling: Telling = { ...route, textOf: openIssuedText(), log: app.log }
  const ahead = new WeakMap<IncomingMessage, { body: Buffer; digest: string }>()
  server.off('request', app.routing)
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (stopping.hasBegun() || !isPlain(request)) return app.routing(request, response)
    let body: Buffer = NO_BYTES
    request.on('data', (chunk: Buffer) => {
      body = body.length === 0 ? chunk : Buffer.concat([body, chunk])
    })
    request.on('end', () => {
      const digest = digestOf(request, body)
      const known = rooms.recall(digest)
      if (known !== undefined) {
        const repeated = { id: route.newId(), address: addressOf(request.socket), known }
        return tell(repeated, { request, response }, telling)
      }
      ahead.set(request, { body, digest })
      app.routing(request, response)
    })
  })
  return {
    digestOf: raw => ahead.get(raw)?.digest ?? null,
    preParsing: ({ raw }, _, payload, done) => {
      const read = ahead.get(raw)
      done(null, read === undefined ? payload : Readable.from([read.body]))
    },
  }
}

/** Of a body. A form with a token of Kubernetes has about 2 KB; what is longer is not worth the memory. */
const MOST_BYTES = 4096
const NO_BYTES = Buffer.alloc(0)

/** Whether all that may count for the decision lies in the Authorization header and the body. */
function isPlain(request: IncomingMessage): boolean {
  const { headers } = request
  return (
    request.url === TOKEN_URL &&
    request.method === 'POST' &&
    Number(headers['content-length']) <= MOST_BYTES &&
    isForm(headers['content-type']) &&
    authorizations(request) <= 1
  )
}

/** A header has no line break, so that nothing of the one can be taken for the other; an empty one is not none. */
const digestOf = ({ headers }: IncomingMessage, body: Buffer): string =>
  hash(
    'sha256',
    `${headers.authorization === undefined ? '' : `=${headers.authorization}`}\n${body.toString('latin1')}`,
    'hex',
  )

interface Telling extends KnownRoute {
  textOf: IssuedText
  log: FastifyBaseLogger
}

interface Coming {
  request: IncomingMessage
  response: ServerResponse
}

function tell(
  repeated: RepeatedRequest,
  { request, response }: Coming,
  { rooms, around, stopping, handedOut, textOf, log }: Telling,
): void {
  const began = rooms.clock().monotonic
  const reply = (status: number, headers: Headers, text: string): void => {
    const bytes = Buffer.byteLength(text)
    response.writeHead(status, { ...headers, 'content-type': JSON_TYPE, 'content-length': bytes })
    // What is ASCII need not be encoded, only copied.
    response.end(text, bytes === text.length ? 'latin1' : 'utf8')
    handedOut(status, rooms.clock().monotonic - began)
  }
  const ending = (): Headers => (stopping.hasBegun() ? { connection: 'close' } : {})
  const story = around('token', traceparentOf(request), () => issueToken(repeated, rooms))
  stopping.track(story).then(
    obtained => reply(200, { ...NO_STORE, ...ending() }, textOf(obtained)),
    thrown => {
      const error = asBrokerError(thrown)
      logError(log.child({ reqId: repeated.id }), error)
      const headers = { ...headersOf(error), ...ending() }
      reply(error.row.status, headers, JSON.stringify(bodyOf(error)))
    },
  )
}

type Headers = Record<string, string | number>

const JSON_TYPE = 'application/json; charset=utf-8'
