import process from 'node:process'
import { Pool } from 'undici'
import { chanceFrom } from './chance.ts'
import { type FleetPlan, type Generation, openFleet } from './fleet.ts'
import { anyAsk, complaintOf, type FleetAsk, type Outcome } from './fleet-asks.ts'
import { secondPolicy } from './second-policy.ts'
import { tellingEhr } from './telling-ehr.ts'

/** What a client process is told: first its task, then how far the broker's config is. */
export type ToClient =
  | { plan: FleetPlan; broker: string; asks: number; seed: number }
  /** From now on the broker may have this generation. */
  | { coming: number }
  /** From now on it has, and none before. */
  | { taken: number }

export type FromClient =
  | { ready: number }
  /** So many asks were answered. */
  | { done: number }
  | { report: ClientReport }

export interface ClientReport {
  granted: number
  statuses: Record<string, number>
  /** The first few of what is wrong by every generation that the broker may have had. */
  complaints: { complaint: string; ask: FleetAsk; generations: number[] }[]
}

/** Requests under way at once. */
const AT_ONCE = 8
const ENOUGH = 5

const send = (message: FromClient): void => void process.send?.(message)

const known: { raw: Generation; opinion: ReturnType<typeof secondPolicy> }[] = []
const now = { taken: 0 }
let fleet: ReturnType<typeof openFleet> | undefined

process.on('message', (message: ToClient) => {
  if ('taken' in message) now.taken = message.taken
  else if ('coming' in message) know(message.coming)
  else {
    fleet = openFleet(message.plan)
    know(0)
    void work(message)
  }
})
process.once('disconnect', () => process.exit(0))

function know(generation: number): void {
  const raw = fleet?.next()
  if (raw === undefined) throw new Error('a generation comes before the plan')
  known.push({ raw, opinion: secondPolicy(raw.file) })
  send({ ready: generation })
}

async function work({ plan, broker, asks, seed }: Extract<ToClient, { plan: object }>) {
  const [chance, ehr] = [chanceFrom(seed), tellingEhr(plan.seed)]
  const pool = new Pool(broker, { connections: AT_ONCE })
  const report: ClientReport = { granted: 0, statuses: {}, complaints: [] }
  let [begun, done] = [0, 0]
  const askOne = async (): Promise<void> => {
    const first = now.taken
    const { raw } = known[first + chance.below(known.length - first)] ?? {}
    if (raw === undefined) throw new Error('no generation is known')
    const ask = anyAsk(raw, chance)
    const address = [10, chance.below(256), chance.below(256), chance.below(256)].join('.')
    const { status, outcome } = await post(pool, ask, address)
    report.statuses[status] = (report.statuses[status] ?? 0) + 1
    if ('token' in outcome) report.granted++
    const [complaint, ...others] = known
      .slice(first)
      .map(({ opinion }) => complaintOf(opinion(ask), ask, outcome, ehr))
    const isWrong = ![complaint, ...others].includes(null)
    if (complaint && isWrong && report.complaints.length < ENOUGH)
      report.complaints.push({ complaint, ask, generations: [first, known.length - 1] })
    if (++done % 50 === 0) send({ done })
  }
  const worker = async (): Promise<void> => {
    while (begun++ < asks) await askOne()
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  await pool.close()
  send({ report })
}

/** The address is what a proxy says: nobody is slowed down for what others did. */
async function post(pool: Pool, ask: FleetAsk, address: string) {
  const { client, secret, isBasic, resources, audience, scope, minimumTtl } = ask
  const form = new URLSearchParams({ grant_type: 'client_credentials' })
  if (!isBasic)
    for (const [name, value] of [
      ['client_id', client],
      ['client_secret', secret],
    ] as const)
      form.append(name, value)
  for (const resource of resources) form.append('resource', resource)
  if (audience !== undefined) form.append('audience', audience)
  if (scope !== undefined) form.append('scope', scope)
  if (minimumTtl > 0) form.append('minimum_ttl', `${minimumTtl}`)
  const { statusCode: status, body } = await pool.request({
    method: 'POST',
    path: '/oauth2/token',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'x-forwarded-for': address,
      ...(isBasic && { authorization: `Basic ${btoa(`${client}:${secret}`)}` }),
    },
    body: form.toString(),
  })
  const reply = (await body.json()) as Record<string, string>
  const { access_token: token, scope: told = '', code = 'no_code' } = reply
  const outcome: Outcome = token === undefined ? { code } : { token, scope: told }
  return { status, outcome }
}
