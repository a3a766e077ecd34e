import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { droppedAfter, type Fault } from '../../sandbox/faults.ts'
import { LocalEpic, type LogEntry } from '../../sandbox/local-epic.ts'
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

/** Milliseconds for which an assertion may be on its way. */
const LATE = 5_000
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

/** What the EHRs remember. */
const openMemory = () => ({
  tokens: new Map<string, Issued>(),
  signed: new Map<string, { kid: string; at: number }>(),
  kids: new Set<string>(),
  counts: { calls: 0, failed: 0, issued: 0 },
  refused: [] as string[],
})
type Memory = ReturnType<typeof openMemory>

/** Local Epics, which look at every assertion, remember each token, and fail now and then. */
export async function openEhrs({ authority, jwksUrl, chance, timeline }: Ports): Promise<Ehrs> {
  /** The time that an assertion is looked at by, where its own is taken. */
  const times = new AsyncLocalStorage<number>()
  const now = () => times.getStore() ?? Date.now()
  const epics = await Promise.all(
    KINDS.map(async ({ life: tokenLife, grants }) => {
      const { ca } = authority
      return new LocalEpic({ tls: await authority.issue(), ca, tokenLife, grants, now }).start()
    }),
  )
  const failing: (Failure | null)[] = epics.map(() => null)
  const memory = openMemory()
  const hospitals = HOSPITALS.map(({ at, ...each }): Hospital => {
    const epic = epics[at]
    if (epic === undefined) throw new Error(`there is no EHR ${at}`)
    return { ...each, epic, profile: KINDS[at].grants === 'by-request' ? 'smart' : 'epic' }
  })
  for (const { epic, clientId, scopes } of hospitals)
    await epic.register({ clientId, environment: 'nonprod', jwksUrl, scopes })
  for (const [nth, epic] of epics.entries()) {
    const fault: Fault = async (request, reply, answer) => {
      epic.faults.push(fault)
      const seen = readAssertion(request)
      const { id } = hospitals.find(each => each.clientId === seen.clientId) ?? { id: 'nobody' }
      memory.counts.calls++
      memory.signed.set(id, { kid: seen.kid, at: performance.now() })
      memory.kids.add(seen.kid)
      const own = chance.percent(NOW_AND_THEN) ? chance.pick(FAILURES) : null
      const failure = failing[nth] ?? own
      const timed = KINDS[nth]?.isPatient ? () => times.run(seen.time, answer) : answer
      const work = () => remembered(timed, epic, seen, { memory, timeline })
      if (failure === null) return work()
      memory.counts.failed++
      timeline.mark(`ehr ${id}`)
      return failWith(failure, request, reply, work)
    }
    epic.faults.push(fault)
  }
  const { tokens, signed, kids, counts, refused } = memory
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

/** What the EHR answers; it remembers the token, or why there is none. */
async function remembered(
  answer: () => Promise<unknown>,
  { log, fhirBase }: LocalEpic,
  { clientId }: Seen,
  { memory, timeline }: { memory: Memory; timeline: Timeline },
): Promise<unknown> {
  const logged = log.length
  const given = await answer()
  const now = performance.now()
  if (isToken(given)) {
    const { access_token, scope, expires_in } = given
    const what = { fhirBase, clientId, scopes: scope.split(' '), at: now, life: expires_in * 1000 }
    memory.counts.issued++
    memory.tokens.set(access_token, what)
    return given
  }
  const isOurs = (entry: LogEntry): boolean =>
    entry.clientId === clientId && entry.reason !== 'granted'
  const reason = log.slice(logged).find(isOurs)?.reason ?? 'unknown'
  const isClock = ['a', 'b'].some(name => timeline.was(`clock ${name}`, now - LATE, now))
  if (!(isClock && OF_TIME.includes(reason))) memory.refused.push(reason)
  return given
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
