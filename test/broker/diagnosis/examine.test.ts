import { afterAll, beforeAll, expect, test } from 'vitest'
import { examine } from '../../../broker/diagnosis/examine.ts'
import type { Surroundings } from '../../../broker/diagnosis/gather.ts'
import { NO_PAST } from '../../../broker/diagnosis/past.ts'
import { BrokerError } from '../../../broker/errors.ts'
import type { Exchange } from '../../../broker/upstream/exchange.ts'
import { upstream } from '../../support/upstream.ts'

const asked: string[] = []
const surroundings: Surroundings = {
  ...{ upstreams: new Map(), setUrls: new Map(), configChanged: null, keyOf: () => null },
  ...{ assertion: { backdated: 60, life: 240 }, past: () => NO_PAST, now: () => 0 },
  visit: async (url, headers) => {
    asked.push(`${url} ${headers['authorization'] ?? ''}`)
    return { url, failure: null, status: 200, headers: {}, body: Buffer.alloc(0), took: 0 }
  },
}

const granting: Exchange = async () => ({
  ...{ accessToken: 'SECRET', life: 300, scope: 's', kid: 'kid' },
  sentAt: { wall: 0, monotonic: 0 },
})
const refusing: Exchange = async () => {
  throw new BrokerError('upstream_unauthorized_client', { status: 400 })
}

const steps: string[] = []
const examined = (exchange: Exchange | null, patient: string | null = null) =>
  examine(upstream(), surroundings, { exchange, patient, progress: step => steps.push(step) })

beforeAll(() => {
  asked.length = 0
})
afterAll(() => expect(steps).not.toEqual([]))

test('a token is asked for, used for the Patient, and in nothing that comes out', async () => {
  const { facts, causes } = await examined(granting, 'p')
  expect(facts).toMatchObject({
    ...{ token: { outcome: 'granted' }, fhir: { patient: { status: 200 } } },
  })
  expect(asked.filter(each => each.endsWith(' Bearer SECRET'))).toHaveLength(1)
  expect(JSON.stringify([facts, causes])).not.toContain('SECRET')
})

test('a refusal is a fact and no error', async () => {
  const { facts, causes } = await examined(refusing, 'p')
  expect(facts).toMatchObject({ token: { outcome: 'refused' }, fhir: { patient: null } })
  expect(causes.map(each => each.code)).toEqual(['user_not_mapped'])
})

test('nothing is asked for where that is the wish', async () => {
  expect((await examined(null)).facts.token).toEqual({ outcome: 'not_asked' })
})
