import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto'
import { promisify } from 'node:util'
import type { Alg } from '../../keys-pipeline/algorithms.ts'
import { atMost, type Bench, median, type Row, spreadOf } from './bench.ts'
import { authorization, startBroker, startEhr } from './brokers.ts'
import type { Server } from './servers.ts'

const UPSTREAMS = 200
const ROUNDS = 3
const signing = promisify(sign)

/** The row's name, the algorithm, and a key of the same kind. */
const KINDS: readonly (readonly [string, Alg, number])[] = [
  ['RS384_2048', 'RS384', 2048],
  ['RS384_3072', 'RS384', 3072],
  ['ES384', 'ES384', 0],
]

export const cold: Bench = {
  name: 'cold',
  title: 'what the broker adds to one call of an EHR, from another process of the same machine',
  run: async tell => {
    const rows: Row[] = []
    for (const [name, alg, bits] of KINDS) {
      const added: number[] = []
      const signatures: number[] = []
      for (let nth = 0; nth < ROUNDS; nth++) {
        const ehr = await startEhr()
        const broker = await startBroker({ ehr: ehr.origin, upstreams: UPSTREAMS, alg, bits })
        const direct = await waits(at => ask(ehr, `/u${at}/token`, 'grant_type=client_credentials'))
        const through = await waits(at =>
          ask(broker, '/oauth2/token', `grant_type=client_credentials&audience=u${at}`),
        )
        await Promise.all([broker.stop(), ehr.stop()])
        added.push(median(through) - median(direct))
        signatures.push(median(await waits(signatureWith(alg, bits))))
      }
      const [ours, signature] = [median(added), median(signatures)]
      const ratio = ours / (1.5 * signature + 1)
      tell(`  ${name}: ${ours.toFixed(2)} ms added, one signature takes ${signature.toFixed(2)} ms`)
      rows.push({
        ...{ what: `cold_${name}`, value: ours, unit: 'ms', ratio },
        against: '1.5 × one signature + 1 ms',
        ...{ spread: spreadOf(added), needs: atMost(ratio, 1) },
      })
    }
    return rows
  },
}

async function ask(server: Server, path: string, body: string): Promise<void> {
  const response = await fetch(`${server.origin}${path}`, {
    method: 'POST',
    headers: {
      authorization: authorization(),
      'content-type': 'application/x-www-form-urlencoded',
    },
    body,
  })
  await response.text()
  if (!response.ok) throw new Error(`${server.name} answered ${response.status}`)
}

/** One after another, in milliseconds; the first half warms up. */
async function waits(work: (at: number) => Promise<unknown>): Promise<number[]> {
  const all: number[] = []
  for (let at = 0; at < UPSTREAMS; at++) {
    const began = performance.now()
    await work(at)
    all.push(performance.now() - began)
  }
  return all.slice(UPSTREAMS / 2)
}

/** A signature over as many bytes as an assertion has. */
function signatureWith(alg: Alg, bits: number): () => Promise<unknown> {
  const { privateKey } =
    alg === 'ES384'
      ? generateKeyPairSync('ec', { namedCurve: 'P-384' })
      : generateKeyPairSync('rsa', { modulusLength: bits })
  const key = createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }))
  const bytes = Buffer.alloc(400, 'x')
  return () => signing('sha384', bytes, { key, dsaEncoding: 'ieee-p1363' })
}
