import { beforeEach, describe, expect, test } from 'vitest'
import { type MovedClock, movedClock } from '../support/clock.ts'
import { type Grant, Grants } from './grants.ts'
import type { Reason } from './refusal.ts'

const CALLBACK = 'https://app.example.com/callback'
/** RFC 7636, appendix B. */
const VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'

let clock: MovedClock
let grants: Grants
let grant: Grant
beforeEach(() => {
  clock = movedClock()
  grants = new Grants(clock.now)
  grant = {
    ...{ clientId: 'app', redirectUri: CALLBACK, scopes: ['openid'] },
    person: { name: 'p', display: 'P', resource: 'Patient/p', patients: ['p'] },
    ...{ patient: null, encounter: null, nonce: null, state: null },
    challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    ...{ isEhrLaunch: false, isDead: false },
  }
})

const because = (reason: Reason) => expect.objectContaining({ reason })

describe('a code', () => {
  const redeem = (code: string, more: Record<string, string> = {}, clientId = 'app') =>
    grants.redeem(
      clientId,
      new URLSearchParams({ code, redirect_uri: CALLBACK, code_verifier: VERIFIER, ...more }),
    )

  test('is good for the app, the redirect URI and the verifier that it was made for', () => {
    expect(redeem(grants.codeFor(grant))).toBe(grant)
  })

  test('that comes twice takes what the first got of it along', () => {
    const code = grants.codeFor(grant)
    const token = grants.refreshTokenFor(redeem(code))
    expect(() => redeem(code)).toThrow(because('code_used'))
    expect(() => grants.refresh('app', token)).toThrow(because('refresh_token_revoked'))
  })

  test('is good for five minutes', () => {
    const code = grants.codeFor(grant)
    clock.advance(300)
    expect(() => redeem(code)).toThrow(because('code_expired'))
  })

  test.each<[Reason, Record<string, string>, string?]>([
    ['code_of_other_client', {}, 'other'],
    ['redirect_uri_differs', { redirect_uri: `${CALLBACK}/` }],
    ['verifier_wrong', { code_verifier: `${VERIFIER}x` }],
    ['verifier_wrong', { code_verifier: '' }],
    ['code_unknown', { code: 'x' }],
  ])('is refused: %s', (reason, more, clientId) => {
    const code = grants.codeFor(grant)
    expect(() => redeem(code, more, clientId)).toThrow(because(reason))
  })

  test('that failed once is not tried again with another verifier', () => {
    const code = grants.codeFor(grant)
    expect(() => redeem(code, { code_verifier: 'guess' })).toThrow(because('verifier_wrong'))
    expect(() => redeem(code)).toThrow(because('code_used'))
  })
})

describe('a refresh token', () => {
  const DAY = 24 * 3600
  const refresh = (token: string | null, clientId = 'app') => grants.refresh(clientId, `${token}`)
  beforeEach(() => {
    grants.refreshLife = DAY
  })

  test('plain: serves until its end, and no other comes', () => {
    const token = grants.refreshTokenFor(grant)
    expect([refresh(token).next, refresh(token).next]).toEqual([null, null])
    clock.advance(DAY)
    expect(() => refresh(token)).toThrow(because('refresh_token_expired'))
  })

  test('rolling: each gives the next, and the last ends when the first would have', () => {
    grants.refreshMode = 'rolling'
    const first = grants.refreshTokenFor(grant)
    clock.advance(DAY / 2)
    const { next } = refresh(first)
    expect(next).not.toBe(first)
    clock.advance(DAY / 2)
    expect(() => refresh(next)).toThrow(because('refresh_token_expired'))
  })

  test('indefinite: each gives the next, with a whole life', () => {
    grants.refreshMode = 'indefinite'
    let token: string | null = grants.refreshTokenFor(grant)
    for (let day = 0; day < 5; day++) {
      clock.advance(DAY - 1)
      token = refresh(token).next
    }
    clock.advance(DAY)
    expect(() => refresh(token)).toThrow(because('refresh_token_expired'))
  })

  test('that was replaced and comes again takes its successor along', () => {
    grants.refreshMode = 'rolling'
    const first = grants.refreshTokenFor(grant)
    const { next } = refresh(first)
    expect(() => refresh(first)).toThrow(because('refresh_token_used'))
    expect(() => refresh(next)).toThrow(because('refresh_token_revoked'))
  })

  test('is good for its own app, until somebody takes the access away', () => {
    grants.codeFor(grant)
    const token = grants.refreshTokenFor(grant)
    expect(() => refresh(token, 'other')).toThrow(because('refresh_token_of_other_client'))
    expect(() => refresh('x')).toThrow(because('refresh_token_unknown'))
    grants.revokeAll()
    expect(() => refresh(token)).toThrow(because('refresh_token_revoked'))
  })
})
