import { describe, expect, test } from 'vitest'
import { asBrokerError } from '../../../broker/errors.ts'
import { openIssuers } from '../../../broker/launch/issuers.ts'
import type { LaunchTarget } from '../../../broker/launch-config.ts'
import { movedClock } from '../../support/clock.ts'
import { launchTarget } from '../../support/launch-target.ts'

const BASE = 'https://ehr.example.com/FHIR/R4'
const ISSUER = 'https://ehr.example.com/oauth2'
const SMART = `${BASE}/.well-known/smart-configuration`
const OPENID = `${ISSUER}/.well-known/openid-configuration`
const JWKS = 'https://ehr.example.com/PublicKeys/530027'

type Site = Record<string, unknown>

const SITE: Site = {
  [SMART]: { issuer: ISSUER, jwks_uri: 'https://ehr.example.com/PublicKeys/530005' },
  [OPENID]: { issuer: ISSUER, jwks_uri: JWKS },
  [JWKS]: { keys: [{ kty: 'RSA', kid: 'one' }] },
}

/** What is not on the site is a page with 404; a number is a status, and a text is what is there in the place of JSON. */
function open(site: Site) {
  const clock = movedClock()
  const asked: [string, Readonly<Record<string, string>>][] = []
  const issuers = openIssuers({
    clock: clock.clock,
    visitBy: () => async (url, headers) => {
      asked.push([url, headers])
      const found = site[url] ?? 404
      const status = typeof found === 'number' ? found : 200
      const text = typeof found === 'string' ? found : JSON.stringify(found)
      const look = { url, failure: null, headers: {}, took: 0 }
      return { ...look, status, body: Buffer.from(text) }
    },
  })
  return {
    issuers,
    clock,
    asked,
    times: (url: string) => asked.filter(([at]) => at === url).length,
  }
}

const outcome = (site: Site, target: LaunchTarget = launchTarget()) =>
  open(site)
    .issuers.of(target)
    .catch(error => asBrokerError(error).code)

test('the FHIR server names the issuer, which names its keys: those count, whatever the first one says', async () => {
  const { issuers, asked } = open(SITE)
  expect(await issuers.of(launchTarget())).toEqual({
    ...{ issuer: ISSUER, jwksUri: JWKS, sendsIss: false },
  })
  expect(asked[0]).toMatchObject([SMART, { 'epic-client-id': 'user-app' }])
  expect(await issuers.keysOf(launchTarget(), false)).toEqual(SITE[JWKS])
})

test('where the issuer has no document of its own, the FHIR server’s word for its keys is taken', async () => {
  expect(await outcome({ ...SITE, [OPENID]: 404 })).toMatchObject({
    jwksUri: 'https://ehr.example.com/PublicKeys/530005',
  })
})

test('an issuer says that its answers bear its name', async () => {
  const own = { ...(SITE[OPENID] as object), authorization_response_iss_parameter_supported: true }
  expect(await outcome({ ...SITE, [OPENID]: own })).toMatchObject({ sendsIss: true })
})

test('the issuer of the config is believed before the FHIR server’s', async () => {
  const site = { ...SITE, [SMART]: { issuer: 'https://other.example.com' } }
  expect(await outcome(site, launchTarget({ issuer: ISSUER }))).toMatchObject({ issuer: ISSUER })
})

describe('is refused', () => {
  test.each<[string, Site, string]>([
    [
      'an issuer that calls itself otherwise',
      { [OPENID]: { issuer: `${ISSUER}/`, jwks_uri: JWKS } },
      'issuer_differs',
    ],
    ['a FHIR server that names none', { [SMART]: { jwks_uri: JWKS } }, 'issuer_unavailable'],
    ['one in clear', { [SMART]: { issuer: 'http://ehr.example.com' } }, 'issuer_unavailable'],
    [
      'keys in clear',
      { [OPENID]: { issuer: ISSUER, jwks_uri: 'http://ehr.example.com/k' } },
      'issuer_unavailable',
    ],
    [
      'no keys',
      { [SMART]: { issuer: ISSUER }, [OPENID]: { issuer: ISSUER } },
      'issuer_unavailable',
    ],
    ['a FHIR server that is down', { [SMART]: 503 }, 'issuer_unavailable'],
    ['a page with status 200', { [SMART]: '<!doctype html>' }, 'issuer_unavailable'],
    ['JSON that is no object', { [SMART]: '7' }, 'issuer_unavailable'],
  ])('%s', async (_, site, code) => {
    expect(await outcome({ ...SITE, ...site })).toBe(code)
  })

  test.each([{ keys: 'x' }, { keys: [null] }, {}])('a key set that is none: %j', async set => {
    const { issuers } = open({ ...SITE, [JWKS]: set })
    await expect(issuers.keysOf(launchTarget(), false)).rejects.toMatchObject({
      code: 'issuer_unavailable',
    })
  })
})

describe('what was found', () => {
  test('counts for an hour', async () => {
    const { issuers, clock, times } = open(SITE)
    await issuers.of(launchTarget())
    clock.advance(3599)
    await issuers.of(launchTarget())
    expect(times(SMART)).toBe(1)
    clock.advance(2)
    await issuers.of(launchTarget())
    expect(times(SMART)).toBe(2)
  })

  test('is fetched anew for a kid that nobody has, once in half a minute: strangers must not have us ask', async () => {
    const { issuers, clock, times } = open(SITE)
    await issuers.keysOf(launchTarget(), false)
    await issuers.keysOf(launchTarget(), true)
    expect(times(JWKS)).toBe(1)
    clock.advance(31)
    await issuers.keysOf(launchTarget(), false)
    expect(times(JWKS)).toBe(1)
    await issuers.keysOf(launchTarget(), true)
    expect(times(JWKS)).toBe(2)
  })

  test('and what could not be had is asked for again', async () => {
    const site: Site = { ...SITE, [SMART]: 503 }
    const { issuers } = open(site)
    await issuers.of(launchTarget()).catch(() => {})
    site[SMART] = SITE[SMART]
    expect(await issuers.of(launchTarget())).toMatchObject({ issuer: ISSUER })
  })
})
