import { decodeProtectedHeader, jwtVerify } from 'jose'
import { expect, test } from 'vitest'
import { appTokens } from '../../../broker/keys/github-app.ts'
import { movedClock } from '../../support/clock.ts'
import { rsaPair } from '../../support/keys.ts'

const HOUR = 3600

function app(fails = false) {
  const clock = movedClock()
  const jwts: string[] = []
  const tokens = appTokens(
    { id: 4711 },
    {
      clock: clock.clock,
      privateKey: () => rsaPair().privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
      exchange: async jwt => {
        jwts.push(jwt)
        if (fails) throw new Error('no')
        const expiresAt = new Date(clock.now() + HOUR * 1000).toISOString()
        return { token: `token-${jwts.length}`, expiresAt }
      },
    },
  )
  return { clock, jwts, tokens }
}

test('the JWT is as GitHub asks: RS256, the app as issuer, ten minutes at the most', async () => {
  const { clock, jwts, tokens } = app()
  expect(await tokens()).toBe('token-1')
  const [jwt = ''] = jwts
  expect(decodeProtectedHeader(jwt)).toEqual({ alg: 'RS256', typ: 'JWT' })
  const currentDate = new Date(clock.now())
  const { payload } = await jwtVerify(jwt, rsaPair().publicKey, { currentDate, issuer: '4711' })
  const now = clock.now() / 1000
  expect(payload.iat).toBeLessThan(now)
  expect(Number(payload.exp) - now).toBeLessThan(600)
})

test('a token is used until shortly before its end, and then another is got', async () => {
  const { clock, tokens } = app()
  await tokens()
  clock.advance(HOUR - 301)
  expect(await tokens()).toBe('token-1')
  clock.advance(2)
  expect(await tokens()).toBe('token-2')
})

test('a failure is nobody’s token', async () => {
  const { jwts, tokens } = app(true)
  await expect(tokens()).rejects.toThrow('no')
  await expect(tokens()).rejects.toThrow('no')
  expect(jwts).toHaveLength(2)
})
