import { exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose'
import { beforeAll, describe, expect, test } from 'vitest'
import { asBrokerError } from '../../../broker/errors.ts'
import { checkIdToken, type Identity } from '../../../broker/launch/id-token.ts'

const NOW = Date.UTC(2026, 10, 25)
const SECONDS = NOW / 1000
const KID = 'uRJ/x+Bq3Vz4Yw==mK/+aA='

type Pair = Awaited<ReturnType<typeof generateKeyPair>>
let key: Pair
let stranger: Pair
let elliptic: Pair
let keys: { keys: object[] }
beforeAll(async () => {
  ;[key, stranger, elliptic] = await Promise.all([
    generateKeyPair('RS256', { extractable: true }),
    generateKeyPair('RS256', { extractable: true }),
    generateKeyPair('ES256', { extractable: true }),
  ])
  const jwk = { ...(await exportJWK(key.publicKey)), kid: KID, use: 'sig' }
  keys = { keys: [jwk, { ...(await exportJWK(elliptic.publicKey)), kid: 'EC' }] }
})

const CLAIMS: JWTPayload = {
  ...{ iss: 'https://ehr.example.com/oauth2', aud: 'user-app', sub: 'eFUser', nonce: 'NONCE' },
  ...{
    iat: SECONDS - 5,
    exp: SECONDS + 295,
    fhirUser: 'https://ehr.example.com/FHIR/R4/Patient/1',
  },
}

type Claims = { [name in keyof JWTPayload]: JWTPayload[name] | undefined }

const sign = (claims: Claims, header: object = {}, { privateKey } = key): Promise<string> =>
  new SignJWT(claims as JWTPayload)
    .setProtectedHeader({ alg: 'RS256', kid: KID, ...header })
    .sign(privateKey)

const check = (
  token: string,
  fetch: (isAnew: boolean) => Promise<object> = async () => keys,
): Promise<Identity> =>
  checkIdToken(token, {
    ...{ issuer: 'https://ehr.example.com/oauth2', clientId: 'user-app', nonce: 'NONCE', now: NOW },
    keys: fetch as () => Promise<never>,
  })

async function refusalOf(token: string): Promise<[string, unknown]> {
  try {
    await check(token)
    return ['taken', null]
  } catch (error) {
    const { code, facts } = asBrokerError(error)
    return [code, facts['reason']]
  }
}

test('an id_token of the issuer, for us and of this login, says who logged in', async () => {
  expect(await check(await sign({ ...CLAIMS, preferred_username: 'CAMILA' }))).toEqual({
    ...{ iss: CLAIMS.iss, sub: 'eFUser', username: 'CAMILA' },
    fhirUser: 'https://ehr.example.com/FHIR/R4/Patient/1',
  })
  const several = { ...CLAIMS, aud: ['user-app', 'other'], azp: 'user-app', fhirUser: undefined }
  expect(await check(await sign(several))).toMatchObject({ fhirUser: null, username: null })
})

describe('is refused', () => {
  test.each<[string, Claims, string]>([
    ['of another issuer', { iss: 'https://ehr.example.com' }, 'iss'],
    ['of another client', { aud: 'other-app' }, 'aud'],
    ['for several, made for another', { aud: ['user-app', 'other'], azp: 'other' }, 'azp'],
    ['for several, made for nobody', { aud: ['user-app', 'other'] }, 'azp'],
    ['of another login', { nonce: 'OTHER' }, 'nonce'],
    ['of no login', { nonce: undefined }, 'nonce'],
    ['that is over', { exp: SECONDS - 61 }, 'exp'],
    ['that never ends', { exp: undefined }, 'exp'],
    ['without a beginning', { iat: undefined }, 'iat'],
    ['that is yet to begin', { nbf: SECONDS + 90 }, 'nbf'],
    ['of nobody', { sub: undefined }, 'sub'],
    ['of an empty name', { sub: '' }, 'sub'],
  ])('one %s', async (_, claims, reason) => {
    expect(await refusalOf(await sign({ ...CLAIMS, ...claims }))).toEqual([
      'id_token_refused',
      reason,
    ])
  })

  test('one that nobody signed', async () => {
    const none = new UnsecuredJWT(CLAIMS).encode()
    expect((await refusalOf(none))[0]).toBe('id_token_refused')
    const [header, body] = (await sign(CLAIMS)).split('.')
    expect((await refusalOf(`${header}.${body}.`))[0]).toBe('id_token_refused')
    const bare = Buffer.from('{"alg":"none"}').toString('base64url')
    expect((await refusalOf(`${bare}.${body}.`))[0]).toBe('id_token_refused')
  })

  test('one that a stranger signed under the kid of the issuer', async () => {
    const [code, reason] = await refusalOf(await sign(CLAIMS, {}, stranger))
    expect([code, reason]).toEqual(['id_token_refused', 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED'])
  })

  test('one by a key of the issuer in another algorithm, or with the public key as a secret', async () => {
    const other = new SignJWT(CLAIMS).setProtectedHeader({ alg: 'ES256', kid: 'EC' })
    expect(await refusalOf(await other.sign(elliptic.privateKey))).toEqual([
      'id_token_refused',
      'ERR_JOSE_ALG_NOT_ALLOWED',
    ])
    const secret = Buffer.from(JSON.stringify(keys.keys[0]))
    const confused = new SignJWT(CLAIMS).setProtectedHeader({ alg: 'HS256', kid: KID })
    expect((await refusalOf(await confused.sign(secret)))[0]).toBe('id_token_refused')
  })

  test.each(['', 'x', 'a.b.c', '....'])('what is none: %j', async text => {
    expect((await refusalOf(text))[0]).toBe('id_token_refused')
  })
})

describe('a kid that the keys in hand do not have', () => {
  const strangers = async () => ({ keys: [{ ...(await exportJWK(stranger.publicKey)), kid: 'k' }] })

  test('is looked for once more, in keys that are fetched anew', async () => {
    const fetches: boolean[] = []
    const fetch = async (isAnew: boolean) => {
      fetches.push(isAnew)
      return isAnew ? keys : strangers()
    }
    expect((await check(await sign(CLAIMS), fetch)).sub).toBe('eFUser')
    expect(fetches).toEqual([false, true])
  })

  test('is refused if those have none either', async () => {
    await expect(check(await sign(CLAIMS), strangers)).rejects.toMatchObject({
      ...{ code: 'id_token_refused', facts: { reason: 'ERR_JWKS_NO_MATCHING_KEY' } },
    })
  })
})
