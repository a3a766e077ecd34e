import { hash } from 'node:crypto'
import { ERRORS, type ErrorCode, type Row } from '../../../broker/errors.ts'
import type { Right } from '../../support/second-policy.ts'
import type { Timeline } from './timeline.ts'

/** A token as the EHR that issued it remembers it. Milliseconds of the monotonic clock. */
export interface Issued {
  fhirBase: string
  clientId: string
  scopes: readonly string[]
  at: number
  life: number
}

export type Answer =
  | { status: 200; token: string; scope: string; expiresIn: number }
  | { status: number; code: string }

/** One request that was sent to one broker, and what came of it. Milliseconds of the monotonic clock. */
export interface Attempt {
  /** The address that it is said to come from, by which its record is found. */
  address: string
  broker: string
  service: string
  upstream: string
  scope: string | undefined
  sentAt: number
  endedAt: number
  /** Null where the connection ended before an answer was there. */
  answer: Answer | null
}

/** What is wrong. None of these may happen. */
export const WRONGS = {
  token_unknown: 'a token that no EHR issued',
  token_of_other: 'a token of another EHR or client ID',
  token_beyond_grant: 'a token, or its scope, beyond what the service may have',
  token_without_right: 'a token where nothing may be had, or for a wrong secret',
  life_overstated: 'an expires_in beyond what the EHR knows to be left',
  life_negative: 'an expires_in below zero',
  below_floor: 'a token with less than the floor left',
  refused_though_held: 'refused for the EHR’s sake while the broker held a good token',
  refused_unexplained: 'refused without a fault that makes it so',
  policy_refused: 'refused what may be had',
  broken_unexplained: 'a connection that broke while its broker was up',
  broken_at_stop: 'a request under way when its broker was asked to stop, unanswered',
} as const
export type Wrong = keyof typeof WRONGS

export interface Circumstances {
  timeline: Timeline
  issued: (token: string) => Issued | undefined
  /** What may be had by each policy that the broker may have had then; null where nothing may. */
  rights: (attempt: Attempt) => readonly (Right | null)[]
}

/** Milliseconds that a token must have left: what is promised, whatever the code has. */
const FLOOR = 30_000
/** Milliseconds after its last fault for which an EHR may be left alone: by the breaker, by what it said, by a no. */
const LEFT_ALONE = 90_000
/** Milliseconds for which an assertion with a wrong time may be what the last refusal was for. */
const REMEMBERED = 30_000
/** Milliseconds before a stop from which on a request may not have been read yet. */
const UNREAD = 500
/** A second of slack, in seconds. */
const SLACK = 1

/** By code, what a refusal may be for. */
const POLICY = new Set(['client_refused', 'target_refused', 'scope_not_granted'])

/** What is wrong with what came of it. */
export type Judge = (attempt: Attempt) => Wrong[]

export function openJudge({ timeline, issued, rights }: Circumstances): Judge {
  /** By broker and by what is asked, the last token that it gave: when, and until when it lives at the least. */
  const held = new Map<string, { at: number; until: number }>()
  const keyOf = ({ broker, service, upstream, scope }: Attempt): string =>
    JSON.stringify([broker, upstream, scope ?? `all of ${service}`])

  const judgeToken = (attempt: Attempt, answer: Extract<Answer, { token: string }>): Wrong[] => {
    const { sentAt, endedAt } = attempt
    const token = issued(answer.token)
    if (token === undefined) return ['token_unknown']
    const may = rights(attempt).filter(each => each !== null)
    const fitting = may.filter(
      ({ fhirBase, clientId }) => fhirBase === token.fhirBase && clientId === token.clientId,
    )
    const isWithin = fitting.some(
      ({ isGranted }) => isGranted(token.scopes.join(' ')) && isGranted(answer.scope),
    )
    const begun = Math.max(sentAt, token.at)
    const left = token.life - (begun - token.at)
    // The reply was made after it was asked for, so that the broker itself knows the token to live as long as that.
    const until = sentAt + answer.expiresIn * 1000
    const took = (endedAt - sentAt) / 1000
    held.set(keyOf(attempt), { at: sentAt, until })
    const isSettled = !timeline.was(`unsettled ${attempt.broker}`, sentAt, endedAt)
    // What is told is less than the truth where the broker's clock is set on between the decision and the reply.
    const isTooLittle = isSettled && answer.expiresIn < FLOOR / 1000 - SLACK - took
    return [
      ...(may.length === 0 ? (['token_without_right'] as const) : []),
      ...(may.length > 0 && fitting.length === 0 ? (['token_of_other'] as const) : []),
      ...(fitting.length > 0 && !isWithin ? (['token_beyond_grant'] as const) : []),
      ...(answer.expiresIn > left / 1000 + SLACK ? (['life_overstated'] as const) : []),
      ...(answer.expiresIn < 0 ? (['life_negative'] as const) : []),
      ...(left < FLOOR || isTooLittle ? (['below_floor'] as const) : []),
    ]
  }

  const judgeRefusal = (attempt: Attempt, code: string): Wrong[] => {
    const { broker, upstream, sentAt, endedAt } = attempt
    const was = (name: string, before = 0): boolean => timeline.was(name, sentAt - before, endedAt)
    if (POLICY.has(code)) return rights(attempt).includes(null) ? [] : ['policy_refused']
    if (code === 'audit_failed') return was(`disk ${broker}`) ? [] : ['refused_unexplained']
    if (!code.startsWith('upstream_')) return ['refused_unexplained']
    const last = held.get(keyOf(attempt))
    if (
      last &&
      last.until - endedAt > FLOOR &&
      !timeline.was(`unsettled ${broker}`, last.at, endedAt)
    )
      return ['refused_though_held']
    const isExplained =
      was(`ehr ${upstream}`, LEFT_ALONE) ||
      was(`clock ${broker}`, REMEMBERED) ||
      // To a broker without time for it, an EHR that is well is late.
      was('stall', LEFT_ALONE)
    return isExplained ? [] : ['refused_unexplained']
  }

  const judgeBreak = ({ broker, sentAt, endedAt }: Attempt): Wrong[] => {
    const isUnderWay = timeline
      .spans(`stop ${broker}`)
      .some(({ from, to }) => sentAt < from - UNREAD && from <= endedAt && endedAt <= to)
    if (isUnderWay) return ['broken_at_stop']
    return timeline.was(`down ${broker}`, sentAt, endedAt) ? [] : ['broken_unexplained']
  }

  return attempt => {
    const { answer } = attempt
    if (answer === null) return judgeBreak(attempt)
    return 'token' in answer ? judgeToken(attempt, answer) : judgeRefusal(attempt, answer.code)
  }
}

/** Of a broker's audit file, what is held against what its callers were told. */
export interface Recorded {
  address: string
  decision: string
  service: string | null
  claimed: string | null
  upstream: string | null
  code: string | null
  granted: { token_sha256: string; scope: string } | null
}

export interface Tally {
  records: number
  /** Answers without a record. */
  lost: number
  /** Records of another service, EHR or token than the answer, or more of them than answers. */
  differing: number
  /** Records of what was never heard: its connection broke, or the disk was full behind it. */
  unheard: number
}

/** What callers were told, by address; held against the records at the end. */
export interface Ledger {
  enter: (attempt: Attempt) => void
  /** One record. */
  strike: (record: Recorded) => void
  tally: () => Tally
}

export function openLedger(): Ledger {
  /** What each address was told and is not recorded yet; an answer that may lack a record is marked. */
  const open = new Map<string, { told: string; mayLack: boolean }[]>()
  const tally = { records: 0, differing: 0, unheard: 0 }
  return {
    enter: attempt => {
      const { address, answer } = attempt
      const told = answer === null ? '' : toldOf(attempt, answer)
      const mayLack = answer === null || ('code' in answer && answer.code === 'audit_failed')
      open.set(address, [...(open.get(address) ?? []), { told, mayLack }])
    },
    strike: record => {
      tally.records++
      const entries = open.get(record.address) ?? []
      const told = recordedOf(record)
      const exact = entries.findIndex(each => !each.mayLack && each.told === told)
      const at = exact < 0 ? entries.findIndex(({ mayLack }) => mayLack) : exact
      if (at < 0) tally.differing++
      else if (entries.splice(at, 1)[0]?.mayLack) tally.unheard++
      if (entries.length === 0) open.delete(record.address)
    },
    tally: () => {
      const lost = [...open.values()].flat().filter(({ mayLack }) => !mayLack).length
      return { ...tally, lost }
    },
  }
}

const toldOf = ({ service, upstream }: Attempt, answer: Answer): string =>
  JSON.stringify(
    'token' in answer
      ? [service, upstream, hash('sha256', answer.token), answer.scope]
      : [service, answer.code],
  )

/** Codes that look alike from outside are told apart in the record. */
const recordedOf = ({ service, claimed, upstream, granted, code }: Recorded): string =>
  JSON.stringify(
    granted
      ? [service, upstream, granted.token_sha256, granted.scope]
      : [claimed, shownAs(code ?? '')],
  )

function shownAs(code: string): string {
  const row: Row | undefined = ERRORS[code as ErrorCode]
  return row?.shownAs ?? code
}
