import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { createServer, type Server, type ServerOptions } from 'node:https'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'

type Files = ReadonlyMap<string, Buffer>

export interface Answer {
  status: number
  headers: Record<string, string>
  body: Buffer
}

interface Cached {
  files: Files
  until: number
}

/** Seconds that the edge keeps what it has fetched, by path and query. */
const EDGE_LIFE = 600

/**
 * GitHub Pages as it serves: HTTPS, `max-age=600` and no other word on caching, any origin, an ETag that changes with
 * each deployment, `404.html`, and a whole artifact at a time. What goes wrong there can be made to go wrong here.
 */
export class Pages {
  readonly #server: Server
  readonly #now: () => number
  #origin: Files = new Map()
  #deployments = 0
  #staleOriginUntil = 0
  #before: Files = new Map()
  #edge = new Map<string, Cached>()
  /** Answers given in place of the site, one each. */
  readonly faults: { status: number; headers?: Record<string, string>; body: string }[] = []
  /** What a host does to each answer, or in place of it. */
  meddle: (answer: Answer, request: IncomingMessage) => Answer | 'nothing' | 'an end' = answer =>
    answer
  url = ''

  constructor(tls: ServerOptions, now: () => number) {
    this.#now = now
    this.#server = createServer(tls, (request, reply) => {
      const fault = this.faults.shift()
      const answer = fault
        ? { ...fault, headers: { 'content-type': 'text/html; charset=utf-8', ...fault.headers } }
        : this.#answerTo(request)
      const meddled = this.meddle({ ...answer, body: Buffer.from(answer.body) }, request)
      if (meddled === 'nothing') return
      if (meddled === 'an end') {
        request.socket.destroy()
        return
      }
      const { status, headers, body } = meddled
      reply.writeHead(status, headers).end(request.method === 'HEAD' ? '' : body)
    })
  }

  #answerTo(request: IncomingMessage): Answer {
    const files = this.#seenAt(request.url ?? '/')
    const path = (request.url ?? '/').split('?')[0]?.slice(1) || 'index.html'
    const body = files.get(path)
    const shown = body ?? files.get('404.html') ?? Buffer.from('<!doctype html>404')
    const etag = `W/"${createHash('sha256').update(`${this.#deployments}`).digest('hex').slice(0, 8)}-${shown.length}"`
    const headers = {
      'content-type': typeOf(body ? path : '404.html'),
      'access-control-allow-origin': '*',
      ...(body && { 'cache-control': 'max-age=600', etag }),
    }
    if (body && request.headers['if-none-match'] === etag)
      return { status: 304, headers, body: Buffer.alloc(0) }
    return { status: body ? 200 : 404, headers, body: shown }
  }

  async start({ port = 0, host = '127.0.0.1' } = {}): Promise<this> {
    await new Promise<void>(done => this.#server.listen(port, host, done))
    const address = this.#server.address()
    this.url = `https://localhost:${typeof address === 'object' ? address?.port : 0}`
    return this
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(done => this.#server.close(done))
  }

  /** A whole artifact switches at once, and the edge is purged, unless one of them stays stale for some seconds. */
  deploy(artifact: Buffer, { staleEdge = 0, staleOrigin = 0 } = {}): void {
    this.#before = this.#origin
    this.#origin = unpack(artifact)
    this.#deployments++
    this.#staleOriginUntil = this.#now() + staleOrigin * 1000
    for (const [path, cached] of this.#edge) {
      if (staleEdge === 0) this.#edge.delete(path)
      else cached.until = this.#now() + staleEdge * 1000
    }
  }

  #seenAt(url: string): Files {
    const cached = this.#edge.get(url)
    if (cached && cached.until > this.#now()) return cached.files
    const isStale = this.#staleOriginUntil > this.#now()
    const files = isStale ? this.#before : this.#origin
    // A stale origin is found new again as soon as it is: what the edge keeps of it is not the point here.
    this.#edge.set(url, { files, until: isStale ? 0 : this.#now() + EDGE_LIFE * 1000 })
    return files
  }
}

/** The artifact by the very tar line of actions/upload-pages-artifact v5: dot files go unless they are asked for. */
export function pack(
  folder: string,
  { includeHiddenFiles }: { includeHiddenFiles: boolean },
): Buffer {
  const hidden = includeHiddenFiles ? [] : ['--exclude=.[^/]*']
  const rules = [
    '--dereference',
    '--hard-dereference',
    '--exclude=.git',
    '--exclude=.github',
    ...hidden,
  ]
  return execFileSync('tar', [...rules, '--directory', folder, '-cf', '-', '.'], {
    maxBuffer: 64 * 1024 * 1024,
  })
}

function unpack(artifact: Buffer): Files {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-pages-'))
  try {
    execFileSync('tar', ['-xf', '-', '-C', folder], { input: artifact })
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry =>
      entry.isFile(),
    )
    return new Map(
      files.map(({ parentPath, name }) => {
        const path = join(parentPath, name)
        return [relative(folder, path), readFileSync(path)]
      }),
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const TYPES: Readonly<Record<string, string>> = {
  json: 'application/json; charset=utf-8',
  html: 'text/html; charset=utf-8',
  pem: 'application/x-x509-ca-cert',
}

const typeOf = (path: string): string =>
  TYPES[path.split('.').at(-1) ?? ''] ?? 'application/octet-stream'
