import { connect } from 'node:net'

/** Bytes for one connection, and how it ends. */
export interface Hurled {
  bytes: Buffer
  /** Requests of which a reply is due; 0 where the parser may refuse them, or nobody waits. */
  due: number
  /** Requests that the story may hear of. */
  most: number
  isHead: boolean
  /** `reply`: once the replies are there. `hush`: when nothing comes for a while. Else at once, politely or not. */
  until: 'reply' | 'hush' | 'end' | 'reset'
}

export interface Reply {
  status: number
  headers: ReadonlyMap<string, string>
  body: string
}

/** Milliseconds in which nothing comes. It is no assertion: a connection is hung up then. */
const HUSH = 30
/** Milliseconds after which a reply that is due is given up. */
const PATIENCE = 10_000

const NO_CHUNKS = '0\r\n\r\n'

/** What comes back; `text` is what was left of it that is no whole reply. */
export function hurl(
  port: number,
  localAddress: string,
  { bytes, due, isHead, until }: Hurled,
): Promise<{ replies: Reply[]; text: string }> {
  return new Promise(resolve => {
    const received: Buffer[] = []
    const heard = () => readReplies(Buffer.concat(received).toString('latin1'), isHead)
    const socket = connect({ host: '127.0.0.1', port, localAddress })
    const finish = (): void => void socket.destroy()
    socket.setTimeout(until === 'hush' ? HUSH : PATIENCE, () => {
      if (socket.writableEnded) finish()
      else socket.end().setTimeout(PATIENCE, finish)
    })
    socket.on('data', chunk => {
      received.push(chunk)
      if (until === 'reply' && heard().replies.length >= due) finish()
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(heard()))
    socket.write(bytes, () => {
      if (until === 'end') socket.end()
      if (until === 'reset') socket.resetAndDestroy()
    })
  })
}

/** The replies that are whole, in the order in which they came, without the 1xx that go before one. */
function readReplies(text: string, isHead: boolean): { replies: Reply[]; text: string } {
  const replies: Reply[] = []
  let rest = text
  for (;;) {
    const end = rest.indexOf('\r\n\r\n')
    if (end < 0) return { replies, text: rest }
    const [first = '', ...lines] = rest.slice(0, end).split('\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1])
    if (Number.isNaN(status)) return { replies, text: rest }
    const headers = new Map(
      lines.map(line => {
        const colon = line.indexOf(':')
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
      }),
    )
    // Only Node's own 417 comes in chunks: none, and the end.
    const isChunked = headers.get('transfer-encoding') === 'chunked'
    const length = isHead
      ? 0
      : isChunked
        ? NO_CHUNKS.length
        : Number(headers.get('content-length') ?? 0)
    const raw = rest.slice(end + 4, end + 4 + length)
    if (raw.length < length) return { replies, text: rest }
    const body = raw === NO_CHUNKS ? '' : raw
    rest = rest.slice(end + 4 + length)
    if (status >= 200) replies.push({ status, headers, body })
  }
}
