import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import type { AuditRecord } from '../../broker/audit.ts'
import { BrokerError, ERRORS, type ErrorCode } from '../../broker/errors.ts'
import { say } from '../support/console.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import { CLUSTER, malformed, POD } from '../support/malformed.ts'
import { type Hurled, hurl, type Reply } from '../support/raw-http.ts'
import { ecSigner, rsaSigner, setOf } from '../support/tokens.ts'
import { basic, PATIENT, SECRET } from '../support/world.ts'

/** Requests at once; a hundred times that by default, a thousand times in a long run. */
const BATCH = 100
const BATCHES = fc.readConfigureGlobal().numRuns ?? 100
/** Of the batches, those after which the broker has met everything once. */
const WARM = BATCHES / 5
/**
 * Bytes that the broker may grow by after that: half a megabyte as measured, in 8,000 requests. It remembers strangers,
 * within bounds; to hold on to every request would cost 500 bytes and more for each.
 */
const MOST_GROWTH = 4 * 1024 * 1024

/** The process collects its garbage and tells what is left, when it is asked by a signal. */
const PROBE = `process.on('SIGUSR2', async () => {
  for (let times = 0; times < 3; times++) await new Promise(done => setImmediate(done, gc()))
  const { heapUsed, external } = process.memoryUsage()
  const sockets = process.getActiveResourcesInfo().filter(each => each === 'TCPSocketWrap').length
  process.stdout.write('left ' + heapUsed + ' ' + external + ' ' + sockets + '\\n')
})`

const daemonForAll = (): Promise<Daemon> =>
  startDaemon(
    (file, folder) => {
      writeFileSync(join(folder, 'mine.json'), setOf(ecSigner('mine')))
      writeFileSync(join(folder, 'cluster.json'), setOf(rsaSigner('cluster')))
      const grants = [{ upstream: 'epic', scopes: [PATIENT] }]
      file.workloadIssuers = { cluster: { issuer: CLUSTER, jwksFile: 'cluster.json' } }
      Object.assign(file.services, {
        signer: { keys: { jwksFile: 'mine.json' }, grants },
        pod: { workloads: [{ issuer: 'cluster', subject: POD }], grants },
      })
    },
    { nodeOptions: ['--expose-gc', `--import=data:text/javascript,${encodeURIComponent(PROBE)}`] },
  )

/** Of Node's parser, and of Fastify, which writes a body for it. Nobody has read such a request. */
const PARSERS = new Set([400, 408, 413, 414, 417, 431])
const CODES = new Map(
  (Object.keys(ERRORS) as ErrorCode[]).map(code => {
    const { shownCode, row } = new BrokerError(code)
    return [shownCode, row]
  }),
)

/** `story`: a decision, as it is recorded. `nobody`: there is nothing at that address, or HTTP ends before us. */
function kindOf({ status, headers, body }: Reply, isHead: boolean): 'story' | 'nobody' | 'wrong' {
  if (status >= 500) return 'wrong'
  if (isHead)
    return status === 405 ? 'story' : PARSERS.has(status) || status === 404 ? 'nobody' : 'wrong'
  const isBare = body === '' || body.endsWith(`"statusCode":${status}}`)
  if (isBare) return PARSERS.has(status) ? 'nobody' : 'wrong'
  if (headers.get('cache-control') !== 'no-store') return 'wrong'
  const reply = JSON.parse(body) as { error?: string; code?: string; error_description?: string }
  if (status === 200) return reply.error === undefined ? 'story' : 'wrong'
  const row = CODES.get(reply.code ?? '')
  const isOurs = row?.status === status && row.oauth === reply.error && row.says !== ''
  if (!isOurs) return 'wrong'
  return status === 404 ? 'nobody' : 'story'
}

/** An address for each connection: who fails again and again from one would be held back, for up to two seconds each. */
const addressOf = (at: number): string => `127.${1 + (at >> 16)}.${(at >> 8) & 255}.${at & 255}`

const shown = (sent: Hurled, heard: unknown): string =>
  `${JSON.stringify(sent.bytes.toString('latin1').slice(0, 600))} (${sent.until}) got ${JSON.stringify(heard)}`

test('ten thousand malformed requests end in a refusal and a record each; the broker lives, hands out tokens, and is no larger', {
  timeout: 600_000,
}, async () => {
  const daemon = await daemonForAll()
  onTestFinished(() => daemon.close())
  const { process, port, issuer, folder } = daemon
  const left = async (): Promise<{ bytes: number; sockets: number }> => {
    const before = process.output().split('left ').length
    process.signal('SIGUSR2')
    await expect.poll(() => process.output().split('left ').length).toBe(before + 1)
    const [heap = 0, external = 0, sockets = 0] =
      process.output().split('left ').at(-1)?.split(' ').map(Number) ?? []
    return { bytes: heap + external, sockets }
  }
  const ask = async (): Promise<number> => {
    const reply = await fetch(`${issuer}/oauth2/token`, {
      method: 'POST',
      headers: { authorization: basic('scheduling', SECRET) },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    })
    await reply.body?.cancel()
    return reply.status
  }
  expect(await ask()).toBe(200)

  const connections: { sent: Hurled; stories: number; nobodies: number }[] = []
  let [batches, warm] = [0, 0]
  const tally = new Map<number, number>()
  await fc.assert(
    fc.asyncProperty(
      fc.array(malformed(issuer), { minLength: BATCH, maxLength: BATCH }),
      async all => {
        daemon.sync()
        const from = connections.length
        const faults: string[] = []
        const heard = await Promise.all(
          all.map((each, at) => hurl(port, addressOf(from + at), each)),
        )
        for (const [at, sent] of all.entries()) {
          const { replies = [], text = '' } = heard[at] ?? {}
          const kinds = replies.map(reply => kindOf(reply, sent.isHead))
          for (const { status } of replies) tally.set(status, (tally.get(status) ?? 0) + 1)
          const isTorn = text !== '' && sent.due > 0 && !sent.isHead
          if (kinds.includes('wrong') || replies.length < sent.due || isTorn)
            faults.push(shown(sent, heard[at]))
          connections.push({
            sent,
            stories: kinds.filter(kind => kind === 'story').length,
            nobodies: kinds.filter(kind => kind === 'nobody').length,
          })
        }
        expect(faults).toEqual([])
        if (++batches === WARM) warm = (await left()).bytes
      },
    ),
    {
      endOnFailure: true,
      // A hundred requests in hexadecimal would hide the few that say something.
      reporter: ({ seed, errorInstance }) => {
        if (errorInstance) throw new Error(`LOCKSTEP_SEED=${seed}`, { cause: errorInstance })
      },
    },
  )
  const growth = (await left()).bytes - warm
  say(`${connections.length} connections; replies by status: ${JSON.stringify([...tally].sort())}`)
  say(`heap after ${WARM} batches: ${warm} bytes; ${growth} more after ${BATCHES}`)
  expect(growth).toBeLessThan(MOST_GROWTH)
  await expect.poll(async () => (await left()).sockets, { timeout: 15_000 }).toBeLessThan(5)
  expect(await ask()).toBe(200)
  const { code, stdout, stderr } = await process.stop()
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout.split('\n').filter(line => /"level":[56]0/.test(line))).toEqual([])

  const records = Map.groupBy(
    readFileSync(join(folder, 'audit.ndjson'), 'utf8')
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as AuditRecord),
    ({ address }) => address,
  )
  const unlike = connections.flatMap(({ sent, stories }, at) => {
    const count = records.get(addressOf(at))?.length ?? 0
    // Who hangs up, or breaks off in the middle of a body, may be recorded and hear nothing of it.
    const isRight = sent.due > 0 ? count === stories : count >= stories && count <= sent.most
    return isRight ? [] : [shown(sent, { stories, records: count })]
  })
  expect(unlike).toEqual([])
  expect(records.get('127.0.0.1')).toHaveLength(2)
})
