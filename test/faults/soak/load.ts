import { setTimeout as wait } from 'node:timers/promises'
import { Agent, request } from 'undici'
import type { Chance } from '../../support/chance.ts'
import { COVERAGE, PATIENT } from '../../support/world.ts'
import type { Answer, Attempt } from './judge.ts'
import { type Policies, SERVICES } from './policies.ts'
import type { Replica } from './replica.ts'

/** Milliseconds between two handfuls of requests. */
const PULSE = 50
/** Milliseconds after which no answer is awaited any more: a broker waits for an EHR twice at most. */
const PATIENCE = 20_000
/** Requests at once; beyond it none are begun, since more and more connections would look like a leak. */
const MOST_UNDER_WAY = 64
/** Of a hundred requests. */
const [WRONG_SECRET, ANYWHERE, WITH_MINIMUM] = [2, 6, 3]
/** Addresses from which wrong secrets come: few, since a broker remembers each for a while. */
const BAD_ADDRESSES = 64
/** Milliseconds for which a replica that cannot be reached is not the first to be asked. */
const AVOIDED = 300

interface Ask {
  service: string
  secret: string
  isGood: boolean
  upstream: string
  scope: string | undefined
  minimumTtl: number
}

export interface Load {
  /** What came of each attempt; the policies that the broker may have had between, with it. */
  onAttempt: (attempt: Attempt, wish: { secret: string; policies: [number, number] }) => void
  /** Both replicas could not be reached. */
  onUnserved: () => void
}

/** Requests at a steady rate (a second), to one replica in turn and to the other where that one cannot be reached. */
export function openLoad(
  {
    replicas,
    policies,
    chance,
  }: {
    replicas: readonly Replica[]
    policies: Policies
    chance: Chance
  },
  { onAttempt, onUnserved }: Load,
): { run: (rate: number, until: () => boolean) => Promise<void>; close: () => Promise<void> } {
  const agent = new Agent({ connections: MOST_UNDER_WAY, pipelining: 1, headersTimeout: PATIENCE })
  const avoided = new Map<Replica, number>()
  const upstreams = Object.keys(policies.file().upstreams)
  let attempts = 0
  let asks = 0

  const anyAsk = (): Ask => {
    const service = chance.pick(SERVICES)
    const own = policies.file().services[service]?.grants.map(each => each.upstream ?? '') ?? []
    const upstream = chance.pick(chance.percent(ANYWHERE) ? upstreams : own)
    const isGood = !chance.percent(WRONG_SECRET)
    return {
      ...{ service, upstream, isGood },
      secret: isGood ? policies.secret(service) : policies.wrongSecret(service),
      scope: upstream === 'by-request' ? chance.pick([undefined, PATIENT, COVERAGE]) : undefined,
      minimumTtl: chance.percent(WITH_MINIMUM) ? 31 : 0,
    }
  }
  const addressOf = (isGood: boolean): string => {
    const nth = attempts++
    return isGood
      ? `10.${(nth >> 16) & 127}.${(nth >> 8) & 255}.${nth & 255}`
      : `10.255.0.${chance.below(BAD_ADDRESSES)}`
  }
  /** Whether there was an answer. */
  const attempt = async (replica: Replica, ask: Ask): Promise<boolean> => {
    const { service, upstream, scope, secret, isGood } = ask
    const address = addressOf(isGood)
    const from = replica.taken()
    const sentAt = performance.now()
    const answer = await post(agent, replica.issuer, address, ask)
    const endedAt = performance.now()
    const what = { address, broker: replica.name, service, upstream, scope }
    const between: [number, number] = [from, policies.written()]
    onAttempt({ ...what, sentAt, endedAt, answer }, { secret, policies: between })
    if (answer === null) avoided.set(replica, endedAt + AVOIDED)
    return answer !== null
  }
  const askOnce = async (): Promise<void> => {
    const ask = anyAsk()
    const turned = asks++ % 2 === 0 ? [...replicas] : replicas.toReversed()
    const isAvoided = (each: Replica): boolean => (avoided.get(each) ?? 0) > performance.now()
    const [first, second] = turned.sort(
      (one, other) => Number(isAvoided(one)) - Number(isAvoided(other)),
    )
    if (first && (await attempt(first, ask))) return
    if (second && (await attempt(second, ask))) return
    onUnserved()
  }
  return {
    run: async (rate, until) => {
      const underWay = new Set<Promise<void>>()
      const began = performance.now()
      let begun = 0
      while (!until()) {
        const due = ((performance.now() - began) / 1000) * rate
        for (; begun < due; begun++) {
          if (underWay.size >= MOST_UNDER_WAY) continue
          const asked = askOnce().finally(() => underWay.delete(asked))
          underWay.add(asked)
        }
        await wait(PULSE)
      }
      await Promise.all(underWay)
    },
    close: () => agent.close(),
  }
}

/** Null where the connection broke. */
async function post(
  agent: Agent,
  issuer: string,
  address: string,
  ask: Ask,
): Promise<Answer | null> {
  const { service, secret, upstream, scope, minimumTtl } = ask
  const form = new URLSearchParams({ grant_type: 'client_credentials', audience: upstream })
  if (scope !== undefined) form.set('scope', scope)
  if (minimumTtl > 0) form.set('minimum_ttl', `${minimumTtl}`)
  try {
    const { statusCode: status, body } = await request(`${issuer}/oauth2/token`, {
      ...{ dispatcher: agent, method: 'POST', body: form.toString() },
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        'x-forwarded-for': address,
        authorization: `Basic ${btoa(`${service}:${secret}`)}`,
      },
    })
    const reply = (await body.json()) as Record<string, string>
    if (status !== 200) return { status, code: reply['code'] ?? 'no_code' }
    return {
      ...{ status: 200, token: reply['access_token'] ?? '', scope: reply['scope'] ?? '' },
      expiresIn: Number(reply['expires_in']),
    }
  } catch {
    return null
  }
}
