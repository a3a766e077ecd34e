import { describe, expect, test } from 'vitest'
import type { AuditRecord } from '../../broker/audit.ts'
import { type DecisionRooms, decide, type ServiceRequest } from '../../broker/decide.ts'
import { asBrokerError, BrokerError } from '../../broker/errors.ts'
import { movedClock } from '../support/clock.ts'

const REQUEST: ServiceRequest = {
  ...{ id: 'r1', address: '192.0.2.1', authorization: undefined, form: new Map() },
  ...{ certificate: () => null, fault: null },
}

function rooms(parts: Partial<DecisionRooms> = {}) {
  const records: AuditRecord[] = []
  const state = { inside: 0, entered: 0 }
  const made: DecisionRooms = {
    policy: () => ({ generation: 'g' }) as never,
    authenticate: async () => ({
      service: 'scheduling',
      method: 'client_secret_basic',
      proves: null,
    }),
    recognised: () => {},
    claimedId: () => 'scheduling',
    admit: () => {
      state.inside++
      state.entered++
      return () => void state.inside--
    },
    audit: { record: async record => void records.push(record), close: async () => {} },
    clock: movedClock().clock,
    ...parts,
  }
  return { made, records, state }
}

const codeOf = (work: Promise<unknown>) => work.catch(error => asBrokerError(error).code)

test('what was done is recorded with who asked, and then told', async () => {
  const { made, records, state } = rooms()
  const answer = await decide(
    { action: 'exchange' },
    REQUEST,
    made,
    async ({ service, record }) => {
      record.connection = 'c1'
      return () => service
    },
  )
  expect([answer, state]).toEqual(['scheduling', { inside: 0, entered: 1 }])
  expect(records).toMatchObject([
    {
      action: 'exchange',
      decision: 'granted',
      service: 'scheduling',
      connection: 'c1',
      config: 'g',
    },
  ])
})

describe('a refusal is recorded', () => {
  test('of what is malformed, before anybody is believed', async () => {
    const { made, records, state } = rooms()
    const request = { ...REQUEST, fault: new BrokerError('parameter_twice') }
    const work = decide({ action: 'exchange' }, request, made, async () => () => 'never')
    expect([await codeOf(work), state.entered]).toEqual(['parameter_twice', 0])
    expect(records).toMatchObject([{ decision: 'refused', code: 'parameter_twice', service: null }])
  })

  test('of who is not let in, and of what fails inside, without what would have been granted', async () => {
    const refused = rooms({
      authenticate: async () => {
        throw new BrokerError('secret_wrong')
      },
    })
    await codeOf(decide({ action: 'connection' }, REQUEST, refused.made, async () => () => 'never'))
    expect(refused.records).toMatchObject([{ code: 'secret_wrong', service: null }])
    const { made, records, state } = rooms()
    const granted = { scope: 's', expires_in: 1, token_sha256: 'x', kid: 'k', source: 'upstream' }
    await codeOf(
      decide({ action: 'connection' }, REQUEST, made, async ({ record }) => {
        record.granted = granted
        throw new Error('a bug')
      }),
    )
    expect(records).toMatchObject([{ code: 'internal', service: 'scheduling', granted: null }])
    expect(state.inside).toBe(0)
  })
})

test('what cannot be recorded is not told', async () => {
  const { made } = rooms({
    audit: {
      record: async () => {
        throw new BrokerError('audit_failed')
      },
      close: async () => {},
    },
  })
  expect(
    await codeOf(decide({ action: 'exchange' }, REQUEST, made, async () => () => 'a token')),
  ).toBe('audit_failed')
})
