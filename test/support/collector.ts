import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Told {
  name: string
  traceId: string
  spanId: string
  parentSpanId: string | undefined
  failed: boolean
  attributes: Record<string, string>
}

interface OtlpSpan extends Omit<Told, 'attributes' | 'failed'> {
  status: { code?: number }
  attributes: { key: string; value: { stringValue: string } }[]
}

/** An OTLP/HTTP receiver that takes JSON; `answer` says how, and by default it takes all. */
export async function startCollector(
  answer: (reply: ServerResponse) => void = reply => reply.writeHead(200).end('{}'),
) {
  const spans: Told[] = []
  const bodies: string[] = []
  const headers: NodeJS.Dict<string | string[]>[] = []
  const server = createServer((request, reply) => {
    const parts: Buffer[] = []
    request.on('data', part => parts.push(part))
    request.on('end', () => {
      const body = Buffer.concat(parts).toString('utf8')
      bodies.push(body)
      headers.push(request.headers)
      spans.push(...read(body))
      answer(reply)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    ...{ spans, bodies, headers },
    endpoint: `http://127.0.0.1:${port}/v1/traces`,
    close: async () => {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

function read(body: string): Told[] {
  const { resourceSpans } = JSON.parse(body) as {
    resourceSpans: { scopeSpans: { spans: OtlpSpan[] }[] }[]
  }
  return resourceSpans
    .flatMap(each => each.scopeSpans)
    .flatMap(each => each.spans)
    .map(({ name, traceId, spanId, parentSpanId, status, attributes }) => ({
      ...{ name, traceId, spanId, parentSpanId, failed: status.code === 2 },
      attributes: Object.fromEntries(
        attributes.map(({ key, value }) => [key.replace('lockstep.', ''), value.stringValue]),
      ),
    }))
}
