import { hash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Right } from '../support/second-policy.ts'
import { type Answer, type Attempt, type Issued, openJudge, openLedger } from './soak/judge.ts'
import { openTimeline } from './soak/timeline.ts'

const RIGHT: Right = {
  ...{ id: 'epic', fhirBase: 'https://ehr.example.com/FHIR/R4', clientId: 'app', scopes: [] },
  isGranted: scopes => scopes.split(' ').every(each => ['a', 'b'].includes(each)),
}
const ISSUED: Issued = {
  ...{ fhirBase: RIGHT.fhirBase, clientId: 'app', scopes: ['a'], at: 0, life: 300_000 },
}
const TOKEN = { status: 200, token: 'good', scope: 'a', expiresIn: 299 } as const

/** A request at that second, answered a tenth of a second later. */
const attempt = (answer: Answer | null, second = 1, parts: Partial<Attempt> = {}): Attempt => ({
  ...{ address: '10.0.0.1', broker: 'a', service: 'scheduling', upstream: 'epic' },
  ...{ scope: undefined, sentAt: second * 1000, endedAt: second * 1000 + 100, answer, ...parts },
})

function court({
  rights = [RIGHT],
  issued = ISSUED,
}: {
  rights?: (Right | null)[]
  issued?: Issued
} = {}) {
  let now = 0
  const timeline = openTimeline(() => now)
  const judge = openJudge({
    ...{ timeline, rights: () => rights },
    issued: token => (token === 'good' ? issued : undefined),
  })
  /** That was the case between these seconds. */
  const during = (name: string, from: number, to: number): void => {
    now = from * 1000
    const end = timeline.begin(name)
    now = to * 1000
    end()
  }
  return { judge, during }
}

describe('a token is right', () => {
  test('where the EHR issued it for that, and as long as is told', () => {
    expect(court().judge(attempt(TOKEN))).toEqual([])
    expect(court().judge(attempt({ ...TOKEN, expiresIn: 31 }, 269))).toEqual([])
  })

  test.each([
    ['nobody issued it', { ...TOKEN, token: 'other' }, {}, ['token_unknown']],
    ['it is of another EHR', TOKEN, { fhirBase: 'https://other.example.com' }, ['token_of_other']],
    ['it is of another client ID', TOKEN, { clientId: 'other' }, ['token_of_other']],
    ['it has a scope too many', TOKEN, { scopes: ['a', 'c'] }, ['token_beyond_grant']],
    ['a scope too many is told', { ...TOKEN, scope: 'a c' }, {}, ['token_beyond_grant']],
    ['a longer life is told', { ...TOKEN, expiresIn: 302 }, {}, ['life_overstated']],
    ['a negative life is told', { ...TOKEN, expiresIn: -9 }, {}, ['life_negative', 'below_floor']],
    ['a life below the floor is told', { ...TOKEN, expiresIn: 28 }, {}, ['below_floor']],
  ])('and wrong where %s', (_, answer, issued, wrongs) => {
    expect(court({ issued: { ...ISSUED, ...issued } }).judge(attempt(answer))).toEqual(wrongs)
  })

  test('and wrong where it has less than the floor left, whatever is told', () => {
    expect(court().judge(attempt({ ...TOKEN, expiresIn: 29 }, 271))).toEqual(['below_floor'])
  })

  test('by any policy that the broker may have had, and by no other', () => {
    expect(court({ rights: [null, RIGHT] }).judge(attempt(TOKEN))).toEqual([])
    expect(court({ rights: [null, null] }).judge(attempt(TOKEN))).toEqual(['token_without_right'])
  })
})

describe('a refusal is right', () => {
  const down = { status: 503, code: 'upstream_unavailable' }

  test.each([
    ['of the policy, where one had nothing', [RIGHT, null], 'target_refused', []],
    ['of the policy, where each has it', [RIGHT], 'target_refused', ['policy_refused']],
    ['for what nobody foresaw', [RIGHT], 'internal', ['refused_unexplained']],
    ['for the disk, which had room', [RIGHT], 'audit_failed', ['refused_unexplained']],
    ['for the EHR, which was well', [RIGHT], 'upstream_unavailable', ['refused_unexplained']],
  ])('or wrong: %s', (_, rights, code, wrongs) => {
    expect(court({ rights }).judge(attempt({ status: 400, code }))).toEqual(wrongs)
  })

  test('while the disk of that broker is full, and of no other', () => {
    const { judge, during } = court()
    during('disk a', 0, 2)
    const full = { status: 503, code: 'audit_failed' }
    expect(judge(attempt(full))).toEqual([])
    expect(judge(attempt(full, 3))).toEqual(['refused_unexplained'])
    expect(judge(attempt(full, 1, { broker: 'b' }))).toEqual(['refused_unexplained'])
  })

  test('after a fault of the EHR, but not while the broker holds a token', () => {
    const { judge, during } = court()
    during('ehr epic', 0, 2)
    expect(judge(attempt(down, 3))).toEqual([])
    judge(attempt(TOKEN, 4))
    expect(judge(attempt(down, 5))).toEqual(['refused_though_held'])
    expect(judge(attempt(down, 5, { broker: 'b' }))).toEqual([])
    expect(judge(attempt(down, 5, { scope: 'b' }))).toEqual([])
    expect(judge(attempt(down, 100))).toEqual(['refused_though_held'])
    // It was started anew, and has nothing.
    during('unsettled a', 6, 7)
    expect(judge(attempt(down, 8))).toEqual([])
    expect(judge(attempt(down, 100))).toEqual(['refused_unexplained'])
  })
})

describe('a connection may break', () => {
  test('where its broker is down', () => {
    const { judge, during } = court()
    during('down a', 1, 2)
    expect(judge(attempt(null))).toEqual([])
    expect(judge(attempt(null, 3))).toEqual(['broken_unexplained'])
    expect(judge(attempt(null, 1, { broker: 'b' }))).toEqual(['broken_unexplained'])
  })

  test('but not on a request that was under way when the broker was asked to stop', () => {
    const { judge, during } = court()
    during('down a', 3, 6)
    during('stop a', 3, 5)
    expect(judge(attempt(null, 1, { endedAt: 4000 }))).toEqual(['broken_at_stop'])
    expect(judge(attempt(null, 2.9, { endedAt: 4000 }))).toEqual([])
  })
})

describe('answers and records', () => {
  const record = {
    ...{ address: '10.0.0.1', decision: 'granted', service: 'scheduling', claimed: 'scheduling' },
    ...{ upstream: 'epic', code: null },
    granted: { token_sha256: hash('sha256', 'good'), scope: 'a' },
  }
  const no = { ...record, decision: 'refused', code: 'upstream_not_granted', granted: null }
  const refusal = { status: 400, code: 'target_refused' }

  test.each([
    ['one for one', [TOKEN, refusal], [record, no], {}],
    ['an answer without a record', [TOKEN], [], { lost: 1 }],
    ['a refusal without a record', [refusal], [], { lost: 1 }],
    ['two records of one answer', [TOKEN], [record, record], { differing: 1 }],
    ['a record of nothing', [], [record], { differing: 1 }],
    [
      'a record of another token',
      [TOKEN],
      [{ ...record, granted: { token_sha256: 'x', scope: 'a' } }],
      { lost: 1, differing: 1 },
    ],
    [
      'a record of another service',
      [TOKEN],
      [{ ...record, service: 'x' }],
      { lost: 1, differing: 1 },
    ],
    [
      'a record of another code',
      [refusal],
      [{ ...no, code: 'secret_wrong' }],
      { lost: 1, differing: 1 },
    ],
    ['nobody heard the answer', [null], [record], { unheard: 1 }],
    ['nobody heard, and it was not recorded', [null], [], {}],
    ['it could not be recorded', [{ status: 503, code: 'audit_failed' }], [], {}],
    [
      'it was recorded before the disk was full',
      [{ status: 503, code: 'audit_failed' }],
      [record],
      { unheard: 1 },
    ],
  ])('%s', (_, answers, records, counts) => {
    const ledger = openLedger()
    for (const answer of answers) ledger.enter(attempt(answer))
    for (const each of records) ledger.strike(each)
    const none = { lost: 0, differing: 0, unheard: 0 }
    expect(ledger.tally()).toEqual({ records: records.length, ...none, ...counts })
  })
})
