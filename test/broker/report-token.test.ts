import { describe, expect, onTestFinished, test } from 'vitest'
import { secretHash } from '../../broker/access/secrets.ts'
import { basic, COVERAGE, makeWorld, PATIENT, SECRET, type World } from '../support/world.ts'

const OTHER = 'a-secret-of-the-billing-service-'

/** Two services of one EHR: scheduling may have its token, billing has a grant at another. */
async function world(): Promise<World> {
  const made = await makeWorld({
    tokenLife: 3600,
    upstreams: base => ({
      epic: base,
      twin: base,
      billing: { ...base, clientId: 'app-both', scopes: [PATIENT, COVERAGE] },
    }),
    services: {
      scheduling: {
        secretSha256: [secretHash(SECRET)],
        grants: [{ upstream: 'epic', scopes: [PATIENT] }],
      },
      billing: {
        secretSha256: [secretHash(OTHER)],
        grants: [{ upstream: 'billing', scopes: [PATIENT, COVERAGE] }],
      },
    },
  })
  onTestFinished(() => made.close())
  return made
}

const report = ({ app }: World, token: string, authorization = basic('scheduling', SECRET)) =>
  app.inject({
    method: 'POST',
    url: '/oauth2/report',
    headers: { 'content-type': 'application/x-www-form-urlencoded', authorization },
    payload: new URLSearchParams({ token }).toString(),
  })
const tokenOf = async (made: World): Promise<string> => (await made.ask()).json().access_token

test('a token that the EHR refused is replaced, and the next caller gets the new one', async () => {
  const made = await world()
  const first = await tokenOf(made)
  expect((await report(made, first)).statusCode).toBe(200)
  const second = await tokenOf(made)
  expect(second).not.toBe(first)
  expect(made.epic.tokenRequests).toBe(2)
})

test('it is fetched anew at most once in a minute, however many report it', async () => {
  const made = await world()
  const first = await tokenOf(made)
  await Promise.all(Array.from({ length: 10 }, () => report(made, first)))
  await report(made, await tokenOf(made))
  expect(made.epic.tokenRequests).toBe(2)
  made.clock.advance(61)
  await report(made, await tokenOf(made))
  expect(made.epic.tokenRequests).toBe(3)
})

test('the old token stays where there is no new one to be had', async () => {
  const made = await world()
  const first = await tokenOf(made)
  for (let at = 0; at < 5; at++)
    made.epic.faults.push((_, reply) => reply.code(400).send({ error: 'invalid_client' }))
  expect((await report(made, first)).statusCode).toBe(200)
  expect(await tokenOf(made)).toBe(first)
})

test('a new token takes the place of a reported one even where it lives shorter', async () => {
  const made = await world()
  const first = await tokenOf(made)
  made.epic.faults.push(() => ({
    ...{ access_token: 'short', token_type: 'bearer', expires_in: 120, scope: PATIENT },
  }))
  await report(made, first)
  expect((await made.ask()).json()).toMatchObject({ access_token: 'short', expires_in: 120 })
})

describe('an unknown token and one of somebody else end alike, without a call', () => {
  test('byte for byte', async () => {
    const made = await world()
    const mine = await tokenOf(made)
    const billing = basic('billing', OTHER)
    const replies = [await report(made, mine, billing), await report(made, 'no-such', billing)]
    const shown = replies.map(({ statusCode, body }) => [statusCode, body])
    expect(shown).toEqual([
      [200, '{}'],
      [200, '{}'],
    ])
    expect((await report(made, 'no-such')).body).toBe('{}')
    expect([await tokenOf(made), made.epic.tokenRequests]).toEqual([mine, 1])
  })
})

test('a report is a decision, and is recorded as one, without the token', async () => {
  const made = await world()
  const token = await tokenOf(made)
  await report(made, token)
  await report(made, token, basic('billing', OTHER))
  await report(made, token, basic('scheduling', 'wrong'))
  await report(made, '')
  const records = (await made.audit()).filter(each => each.action === 'report')
  expect(records.map(({ decision, code, upstream }) => [decision, code, upstream])).toEqual([
    ['granted', null, 'epic'],
    ['refused', 'token_unknown', null],
    ['refused', 'secret_wrong', null],
    ['refused', 'token_missing', null],
  ])
  expect(records[0]?.reported).toMatch(/^[0-9a-f]{64}$/)
  expect(JSON.stringify(records)).not.toContain(token)
})
