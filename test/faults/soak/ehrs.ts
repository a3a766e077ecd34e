import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { droppedAfter, type Fault } from '../../sandbox/faults.ts'
import { LocalEpic } from '../../sandbox/local-epic.ts'
import type { Authority } from '../../support/certificates.ts'
import type { Chance } from '../../support/chance.ts'
import { COVERAGE, PATIENT } from '../../support/world.ts'
import type { Issued } from './judge.ts'
import { EHRS, FAILURES, type Failure } from './plan.ts'
import type { Timeline } from './timeline.ts'

/** An upstream of the brokers', and the EHR that it is. */
export interface Hospital {
  id: string
  epic: LocalEpic
  clientId: string
  scopes: readonly string[]
  profile: 'epic' | 'smart'
}

/** Each is a process' worth of a real one: seconds that its tokens live, and whether it takes a wrong time. */
const KINDS = [
  { life: 36, grants: 'by-app', isPatient: false },
  { life: 40, grants: 'by-app', isPatient: true },
  { life: 100, grants: 'by-request', isPatient: true },
  { life: 3600, grants: 'by-app', isPatient: true },
] as const

/** By id: which EHR it is at, under which client ID. */
const HOSPITALS = [
  { id: 'strict', at: 0, clientId: 'app-1', scopes: [PATIENT] },
  { id: 'brief', at: 1, clientId: 'app-2', scopes: [PATIENT] },
  { id: 'twin', at: 1, clientId: 'app-3', scopes: [PATIENT, COVERAGE] },
  { id: 'by-request', at: 2, clientId: 'app-4', scopes: [PATIENT, COVERAGE] },
  { id: 'long', at: 3, clientId: 'app-5', scopes: [PATIENT] },
] as const

/** Of a hundred calls, how many fail when nothing is the matter. */
const NOW_AND_THEN = 8
/** Milliseconds. */
const SLOW = 1500

/** What EHRs say no to while a broker's clock is wrong. */
const OF_TIME = ['expired', 'expires_too_late', 'not_yet_valid', 'issued_in_future']

export interface Ehrs {
  hospitals: readonly Hospital[]
  issued: (token: string) => Issued | undefined
  /** Every call of the EHR fails so, until it is told null. */
  fail: (nth: number, failure: Failure | null) => void
  /** By upstream, the key that signed the last assertion which was seen, and when. */
  signed: ReadonlyMap<string, { kid: string; at: number }>
  kids: ReadonlySet<string>
  counts: { calls: number; failed: number; issued: number }
  /** Assertions that were refused though nothing was the matter, with the true reason. */
  refused: readonly string[]
  stop: () => Promise<void>
}

interface Ports {
  authority: Authority
  jwksUrl: string
  chance: Chance
  timeline: Timeline
}

/** Local Epics, which look at every assertion, remember each token, and fail now and then. */
export async function openEhrs({ authority, jwksUrl, chance, timeline }: Ports): Promise<Ehrs> {
  const times = new AsyncLocalStorage<number>()
  const epics = await Promise.all(
    KINDS.map(async ({ life, grants }) => {
      const now = () => times.getStore() ?? Date.now()
      const options = { tls: await authority.issue(), ca: authority.ca, tokenLife: life }
      return new LocalEpic({ ...options, grants, now }).start()
    }),
  )
  const failing: (Failure | null)[] = epics.map(() => null)
  const tokens = new Map<string, Issued>()
  const signed = new Map<string, { kid: string; at: number }>()
  const kids = new Set<string>()
  const counts = { calls: 0, failed: 0, issued: 0 }
  const refused: string[] = []
  const hospitals = HOSPITALS.map(({ at, ...each }): Hospital => {
    const epic = epics[at]
    if (epic === undefined) throw new Error(`there is no EHR ${at}`)
    return { ...each, epic, profile: KINDS[at].grants === 'by-request' ? 'smart' : 'epic' }
  })
  for (const { epic, clientId, scopes } of hospitals)
    await epic.register({ clientId, environment: 'nonprod', jwksUrl, scopes })

  /** What was asked for, done by the time that is right here, or that the assertion says. */
  const work = async (epic: LocalEpic, seen: Seen, answer: () => Promise<unknown>) => {
    const logged = epic.log.length
    const isPatient = KINDS[epics.indexOf(epic)]?.isPatient ?? false
    const given = await (isPatient ? times.run(seen.time, answer) : answer())
    if (isToken(given)) {
      counts.issued++
      tokens.set(given.access_token, {
        ...{ fhirBase: epic.fhirBase, clientId: seen.clientId, at: performance.now() },
        ...{ scopes: given.scope.split(' '), life: given.expires_in * 1000 },
      })
      return given
    }
    const entry = epic.log
      .slice(logged)
      .find(({ clientId, reason }) => clientId === seen.clientId && reason !== 'granted')
    const reason = entry?.reason ?? 'unknown'
    const isClock = ['a', 'b'].some(name => {
      const now = performance.now()
      return timeline.was(`clock ${name}`, now - SLOW, now)
    })
    if (!(isClock && OF_TIME.includes(reason))) refused.push(reason)
    return given
  }

  for (const [nth, epic] of epics.entries()) {
    const fault: Fault = async (request, reply, answer) => {
      epic.faults.push(fault)
      counts.calls++
      const seen = readAssertion(request)
      const { id } = hospitals.find(each => each.clientId === seen.clientId) ?? { id: 'nobody' }
      signed.set(id, { kid: seen.kid, at: performance.now() })
      kids.add(seen.kid)
      const own = chance.percent(NOW_AND_THEN) ? chance.pick(FAILURES) : null
      const failure = failing[nth] ?? own
      if (failure === null) return work(epic, seen, answer)
      counts.failed++
      timeline.mark(`ehr ${id}`)
      return failWith(failure, request, reply, () => work(epic, seen, answer))
    }
    epic.faults.push(fault)
  }
  return {
    ...{ hospitals, signed, kids, counts, refused },
    issued: token => tokens.get(token),
    fail: (nth, failure) => {
      failing[nth % EHRS] = failure
    },
    stop: async () => {
      await Promise.all(epics.map(each => each.stop()))
    },
  }
}

async function failWith(
  failure: Failure,
  request: FastifyRequest,
  reply: FastifyReply,
  work: () => Promise<unknown>,
): Promise<unknown> {
  switch (failure) {
    case '500':
      return reply.code(500).send({})
    case '503':
      return reply.code(503).header('retry-after', '1').send({})
    case 'invalid_client':
      return reply.code(400).send({ error: 'invalid_client', error_description: null })
    case 'slow':
      await wait(SLOW)
      return work()
    case 'dropped':
      reply.hijack()
      return request.raw.socket.destroy()
    case 'dropped_after':
      return droppedAfter(request, reply, work)
  }
}

interface Seen {
  clientId: string
  kid: string
  /** Milliseconds since the epoch, by the clock of who signed it. */
  time: number
}

/** Seconds by which the broker dates an assertion back. */
const BACK = 60

function readAssertion({ body }: FastifyRequest): Seen {
  const assertion = new URLSearchParams(String(body)).get('client_assertion') ?? ''
  const { iss = '', iat = 0 } = decodeJwt(assertion)
  const { kid = '' } = decodeProtectedHeader(assertion)
  return { clientId: iss, kid, time: (iat + BACK) * 1000 + 999 }
}

const isToken = (
  given: unknown,
): given is { access_token: string; scope: string; expires_in: number } =>
  typeof given === 'object' && given !== null && 'access_token' in given
