import { connect, type Socket } from 'node:net'
import process from 'node:process'
import { say } from '../support/console.ts'

/**
 * So many callers at once, each with a connection of its own that is open before the first asks:
 * `callers.ts <origin> <count> <authorization> <body>`. Prints the milliseconds that each waited, as JSON.
 */
const [origin = '', count = '', authorization = '', body = ''] = process.argv.slice(2)
const { hostname, port, host } = new URL(origin)
const request = [
  'POST /oauth2/token HTTP/1.1',
  `Host: ${host}`,
  `Authorization: ${authorization}`,
  'Content-Type: application/x-www-form-urlencoded',
  `Content-Length: ${Buffer.byteLength(body)}`,
  '',
  body,
].join('\r\n')

const open = (): Promise<Socket> =>
  new Promise((done, fail) => {
    const socket = connect(Number(port), hostname, () => done(socket))
    socket.once('error', fail)
  })

/** Resolves with the status once the whole answer is here. */
const answerOf = (socket: Socket): Promise<string> =>
  new Promise((done, fail) => {
    let text = ''
    socket.once('error', fail)
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
      const end = text.indexOf('\r\n\r\n')
      const [, length] = /\r\ncontent-length: (\d+)/i.exec(text) ?? []
      if (end >= 0 && length !== undefined && text.length >= end + 4 + Number(length))
        done(text.slice(9, 12))
    })
    socket.once('close', () => fail(new Error('closed before the answer')))
  })

const sockets: Socket[] = []
while (sockets.length < Number(count)) {
  const next = Array.from({ length: Math.min(250, Number(count) - sockets.length) }, open)
  sockets.push(...(await Promise.all(next)))
}
const began = performance.now()
const waits = await Promise.all(
  sockets.map(async socket => {
    const answer = answerOf(socket)
    socket.write(request)
    const status = await answer
    return { status, after: performance.now() - began }
  }),
)
for (const socket of sockets) socket.removeAllListeners('close').destroy()
say(
  JSON.stringify({
    bad: waits.filter(({ status }) => status !== '200').length,
    waits: waits.map(({ after }) => after).toSorted((a, b) => a - b),
  }),
)
