import { decodeJwt, UnsecuredJWT } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  FOR_SERVICE,
  type Jar,
  type LaunchWorld,
  makeLaunchWorld,
  USER_SCOPES,
} from '../../support/launch-world.ts'
import { signIdToken, startUserEhr, type UserEhr } from '../../support/user-ehr.ts'

const SESSION = '__Host-lockstep-session.epic'

let world: LaunchWorld
/** An authorization server that a config has taken in, and that means no good. */
let evil: UserEhr
beforeAll(async () => {
  world = await makeLaunchWorld({
    launch: { offline: true },
    prepare: async (file, _, keys) => {
      const { epic } = file.upstreams
      if (!epic?.launch) throw new Error('no launch')
      const redirectUri = `${file.launch?.publicUrl}/oauth/other-callback`
      evil = await startUserEhr([{ clientId: 'user-app', redirectUri, ...keys }], {
        scopes: USER_SCOPES,
      })
      const { authorizationEndpoint, tokenEndpoint, fhirBase } = evil
      const { launch, ...plain } = epic
      file.upstreams['plain'] = { ...plain, clientId: 'a-third-app' }
      file.upstreams['other'] = {
        ...{ ...plain, clientId: 'another-app', tokenEndpoint, fhirBase },
        launch: { ...launch, authorizationEndpoint },
      }
    },
  })
})
afterAll(async () => {
  await world.close()
  await evil.close()
})
afterEach(() => {
  world.ehr.tamper = null
})

const lastCode = async () => (await world.audit()).at(-1)?.code

/** Where a login is sent, and the browser that began it. */
async function begin(path = '/oauth/epic-authorize', jar: Jar = new Map()) {
  const reply = await world.browse(path, jar)
  const url = new URL(String(reply.headers.location))
  return { jar, url, state: url.searchParams.get('state') ?? '' }
}

const callback = (jar: Jar, parameters: Record<string, string>, upstream = 'epic') =>
  world.browse(`/oauth/${upstream}-callback?${new URLSearchParams(parameters)}`, jar)

/** A user has logged in at the EHR, and the browser has not come back yet. */
async function atTheDoor() {
  const { jar, url } = await begin()
  const back = new URL(await world.ehr.login(url.href))
  return { jar, back: Object.fromEntries(back.searchParams) as Record<string, string> }
}

describe('a login', () => {
  test('is sent to the EHR with what SMART and PKCE ask for, and nothing of the way is kept', async () => {
    const reply = await world.browse('/oauth/epic-authorize', new Map())
    expect(reply.statusCode).toBe(302)
    const url = new URL(String(reply.headers.location))
    expect(`${url.origin}${url.pathname}`).toBe(world.ehr.authorizationEndpoint)
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      ...{ response_type: 'code', client_id: 'user-app', aud: world.ehr.fhirBase },
      ...{ redirect_uri: `${world.publicUrl}/oauth/epic-callback`, code_challenge_method: 'S256' },
      scope: `openid fhirUser launch/patient offline_access ${USER_SCOPES.join(' ')}`,
    })
    expect(reply.headers['set-cookie']).toMatch(
      /^__Host-lockstep-login\.\w+=[\w-]+; Path=\/; Secure; HttpOnly; SameSite=Lax; Max-Age=600$/,
    )
  })

  test('is finished with the assertion, without a secret and without a client_id', async () => {
    const before = world.ehr.tokenForms.length
    await world.login(new Map())
    const [form] = world.ehr.tokenForms.slice(before)
    expect([...(form?.keys() ?? [])].sort()).toEqual([
      ...['client_assertion', 'client_assertion_type', 'code', 'code_verifier'],
      ...['grant_type', 'redirect_uri'],
    ])
    const record = (await world.audit()).at(-1)
    expect(record).toMatchObject({ action: 'login', decision: 'granted', upstream: 'epic' })
    expect(record?.connection).toMatch(/^[\w-]{22}$/)
    const { body } = await world.admin.inject('/metrics')
    for (const line of [
      'lockstep_requests_total{action="login",service="(unknown)",upstream="epic",outcome="granted"}',
      'lockstep_upstream_call_seconds_count{upstream="epic",outcome="granted"}',
    ])
      expect(body).toContain(line)
  })

  test('forgets its cookie when it is over', async () => {
    const jar: Jar = new Map()
    await world.login(jar)
    expect([...jar.keys()]).toEqual([SESSION])
  })

  test('that the user declines is told of, and may be begun again', async () => {
    const { jar, state } = await begin()
    const reply = await world.browse(
      `/oauth/epic-callback?error=access_denied&state=${state}&iss=${world.ehr.issuer}`,
      jar,
      { headers: { accept: 'text/html' } },
    )
    expect([reply.statusCode, await lastCode()]).toEqual([400, 'login_declined'])
    expect(reply.body).toContain('href="/oauth/epic-authorize"')
  })
})

describe('a state', () => {
  type Attack = () => Promise<[reply: Awaited<ReturnType<typeof callback>>, code: string]>

  test.each<[string, Attack]>([
    [
      'that is forged',
      async () => {
        const { jar, back } = await atTheDoor()
        return [await callback(jar, { ...back, state: 'A'.repeat(24) }), 'state_unknown']
      },
    ],
    [
      'that is missing',
      async () => {
        const { jar, back } = await atTheDoor()
        const { state: _, ...others } = back
        return [await callback(jar, others), 'state_missing']
      },
    ],
    [
      'of another browser',
      async () => {
        const { back } = await atTheDoor()
        const { jar } = await begin()
        return [await callback(jar, back), 'state_unknown']
      },
    ],
    [
      'that comes twice, with the cookie that a thief has kept',
      async () => {
        const { jar, back } = await atTheDoor()
        const kept: Jar = new Map(jar)
        expect((await callback(jar, back)).statusCode).toBe(303)
        return [await callback(kept, back), 'state_used']
      },
    ],
    [
      'that took too long',
      async () => {
        const { jar, state } = await begin()
        world.clock.advance(601)
        const reply = await callback(jar, { state, code: 'C', iss: world.ehr.issuer })
        world.clock.advance(-601)
        return [reply, 'state_expired']
      },
    ],
    [
      'of another upstream',
      async () => {
        const { jar, back } = await atTheDoor()
        return [await callback(jar, back, 'other'), 'state_elsewhere']
      },
    ],
  ])('%s is refused, whatever else is right, and never says why', async (_, attack) => {
    const before = world.ehr.tokenForms.length
    const [reply, code] = await attack()
    expect([reply.statusCode, reply.json().code, await lastCode()]).toEqual([
      ...[400, 'login_refused', code],
    ])
    expect(reply.headers['set-cookie']).toBeUndefined()
    expect(world.ehr.tokenForms.length - before).toBe(code === 'state_used' ? 1 : 0)
  })
})

describe('a code', () => {
  test('that was redeemed already is refused by the EHR, in another login too', async () => {
    const { jar, back } = await atTheDoor()
    await callback(jar, back)
    const again = await begin()
    const reply = await callback(again.jar, { ...back, state: again.state })
    expect([reply.statusCode, reply.json().code]).toEqual([502, 'upstream_invalid_grant'])
  })

  test('of another user, put into one’s own login, is no use without their verifier', async () => {
    const victim = await atTheDoor()
    const own = await begin()
    const reply = await callback(own.jar, { ...victim.back, state: own.state })
    expect([reply.json().code, own.jar.has(SESSION)]).toEqual(['upstream_invalid_grant', false])
  })

  test('of one EHR is never shown to another that the user was led to believe in', async () => {
    const honest = await atTheDoor()
    const { jar, state } = await begin('/oauth/other-authorize')
    const before = evil.tokenForms.length
    const reply = await callback(jar, { ...honest.back, state }, 'other')
    expect([reply.json().code, evil.tokenForms.length - before]).toEqual([
      'login_issuer_differs',
      0,
    ])
    const silent = await begin('/oauth/other-authorize')
    const { iss: _, ...unsaid } = honest.back
    const second = await callback(silent.jar, { ...unsaid, state: silent.state }, 'other')
    expect([second.json().code, evil.tokenForms.length - before]).toEqual([
      'login_issuer_differs',
      0,
    ])
  })
})

describe('an id_token', () => {
  type Forge = (real: string) => Promise<string> | string

  test.each<[string, Forge, string]>([
    ['of another login', real => signIdToken({ ...decodeJwt(real), nonce: 'another' }), 'nonce'],
    ['of another client', real => signIdToken({ ...decodeJwt(real), aud: 'another' }), 'aud'],
    ['of another issuer', real => signIdToken({ ...decodeJwt(real), iss: evil.issuer }), 'iss'],
    ['that nobody signed', real => new UnsecuredJWT(decodeJwt(real)).encode(), 'alg none'],
    ['under a kid that is not there', real => signIdToken(decodeJwt(real), 'a/b+c'), 'kid'],
  ])('%s ends the login, and there is no connection', async (_, forge) => {
    const { jar, back } = await atTheDoor()
    // What is forged is made from what the EHR says, and would else be taken.
    world.ehr.tamper = async body => ({ ...body, id_token: await forge(String(body['id_token'])) })
    const reply = await callback(jar, back)
    expect([reply.statusCode, reply.json().code]).toEqual([502, 'id_token_refused'])
    expect(jar.has(SESSION)).toBe(false)
  })

  test('that is not there is missed', async () => {
    world.ehr.tamper = ({ id_token: _, ...body }) => body
    const { jar, back } = await atTheDoor()
    expect((await callback(jar, back)).json().code).toBe('id_token_missing')
  })
})

test('an EHR that grants more than the config asks for gives no connection', async () => {
  world.ehr.tamper = body => ({ ...body, scope: `${body['scope']} user/*.write` })
  const { jar, back } = await atTheDoor()
  const reply = await callback(jar, back)
  expect([reply.json().code, jar.has(SESSION)]).toEqual(['scope_exceeds_grant', false])
  expect(world.logged()).toContain('user/*.write')
})

describe('a launch by the EHR', () => {
  const launch = (parameters: Record<string, string>, upstream = 'epic') =>
    world.browse(`/oauth/${upstream}-launch?${new URLSearchParams(parameters)}`, new Map())

  test('passes on what it gave, and asks for its context', async () => {
    const token = `eyJ.${'x'.repeat(1500)}.a-b_c`
    const reply = await launch({ iss: world.ehr.fhirBase, launch: token })
    const { searchParams } = new URL(String(reply.headers.location))
    expect(searchParams.get('launch')).toBe(token)
    expect(searchParams.get('scope')).toMatch(/^openid fhirUser launch offline_access /)
  })

  test('at the launch URL of another upstream goes to the one of that FHIR server', async () => {
    const reply = await launch({ iss: `${world.ehr.fhirBase}/`, launch: 'L' }, 'other')
    const url = new URL(String(reply.headers.location))
    expect(url.origin).toBe(world.ehr.issuer)
    expect(url.searchParams.get('redirect_uri')).toBe(`${world.publicUrl}/oauth/epic-callback`)
  })

  test.each([
    [
      'of an EHR that nobody knows',
      { iss: 'https://evil.example.com/fhir', launch: 'L' },
      'launch_iss_unknown',
    ],
    [
      'of a name that begins alike',
      { iss: 'http://127.0.0.1.evil.example.com/fhir', launch: 'L' },
      'launch_iss_unknown',
    ],
    ['of nothing that is a URL', { iss: 'epic', launch: 'L' }, 'launch_iss_unknown'],
    ['of nobody', { launch: 'L' }, 'launch_token_missing'],
    ['without a launch token', { iss: 'https://ehr.example.com' }, 'launch_token_missing'],
    [
      'with one that no URL can hold',
      { iss: 'https://ehr.example.com', launch: 'x'.repeat(6001) },
      'launch_token_missing',
    ],
  ])('%s is refused', async (_, parameters, code) => {
    const reply = await launch(parameters)
    expect([reply.statusCode, reply.json().code]).toEqual([400, code])
    expect(reply.headers['set-cookie']).toBeUndefined()
  })
})

test.each([
  ['redirect_uri', 'authorize'],
  ['redirect_uri', 'callback'],
  ['return', 'authorize'],
  ['returnUrl', 'callback'],
  ['next', 'callback'],
])('no parameter says where a browser is sent: %s at %s', async (name, where) => {
  const evilUrl = 'https://evil.example.com/'
  const out = where === 'authorize' ? `?${name}=${encodeURIComponent(evilUrl)}` : ''
  const { jar, url } = await begin(`/oauth/epic-authorize${out}`)
  const back = new URL(await world.ehr.login(url.href))
  if (where === 'callback') back.searchParams.set(name, evilUrl)
  const reply = await callback(jar, Object.fromEntries(back.searchParams))
  expect(url.href).not.toContain('evil.example.com')
  expect([reply.statusCode, reply.headers.location]).toEqual([303, '/oauth/epic-status'])
})

test('a session that somebody planted is not the one that a login ends in', async () => {
  const planted: Jar = new Map()
  await world.login(planted)
  const jar: Jar = new Map(planted)
  await world.login(jar)
  expect(jar.get(SESSION)).not.toBe(planted.get(SESSION))
  const status = (await world.browse('/oauth/epic-status', planted)).json()
  expect(status).toMatchObject({ connected: false, standing: 'none', patient: null })
})

describe('the status and the end of a connection', () => {
  let inUse: Jar | null = null
  /** A browser with a connection, the same until that is ended. */
  async function connected(): Promise<Jar> {
    if (inUse !== null) return inUse
    inUse = new Map()
    await world.login(inUse)
    return inUse
  }

  test('are told to nobody but the browser that has it, and never with a token', async () => {
    const jar = await connected()
    const { headers, body } = await world.browse('/oauth/epic-status', jar)
    expect(JSON.parse(body)).toEqual({
      ...{ connected: true, upstream: 'epic', standing: 'connected', lasting: true },
      scopes: expect.arrayContaining(['offline_access', ...USER_SCOPES]),
      expires_at: expect.stringMatching(/^20\d\d-.*Z$/),
      ...{ patient: 'erXuFYUfucBZaryVksYEcMg3', fhirUser: 'Practitioner/eFUser' },
    })
    expect(headers['content-type']).toContain('application/json')
    for (const other of [new Map(), new Map([[SESSION, 'x'.repeat(43)]])])
      expect((await world.browse('/oauth/epic-status', other)).json().connected).toBe(false)
    expect((await world.browse('/oauth/other-status', jar)).json().connected).toBe(false)
  })

  test.each<[string, Record<string, string>, number]>([
    ['a page of ours', { 'sec-fetch-site': 'same-origin', origin: 'null' }, 200],
    ['a page of ours, in a browser that says less', { origin: 'OURS' }, 200],
    [
      'a page of another site',
      { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example.com' },
      403,
    ],
    ['a page of a neighbour', { 'sec-fetch-site': 'same-site' }, 403],
    [
      'a page of another site, in a browser that says less',
      { origin: 'https://evil.example.com' },
      403,
    ],
    ['a frame that hides where it is from', { origin: 'null' }, 403],
    ['nothing that says where it is from', {}, 403],
    [
      'one that says it is from here, and is not',
      { 'sec-fetch-site': 'cross-site', origin: 'OURS' },
      403,
    ],
  ])('%s may disconnect: %j', async (_, headers, status) => {
    const kept = await connected()
    const jar: Jar = new Map(kept)
    const sent = Object.entries(headers).map(([name, value]) => [
      ...[name, value === 'OURS' ? world.publicUrl : value],
    ])
    const reply = await world.browse('/oauth/epic-disconnect', jar, {
      ...{ method: 'POST', headers: Object.fromEntries(sent) },
    })
    expect(reply.statusCode).toBe(status)
    const { connected: isConnected } = (await world.browse('/oauth/epic-status', kept)).json()
    if (status === 200) inUse = null
    expect(isConnected).toBe(status !== 200)
  })

  test('a browser that has none is told that it has none', async () => {
    const reply = await world.browse('/oauth/epic-disconnect', new Map(), {
      ...{ method: 'POST', headers: { 'sec-fetch-site': 'same-origin' } },
    })
    expect([reply.statusCode, reply.json().connected]).toEqual([200, false])
    expect((await world.audit()).at(-1)).toMatchObject({ action: 'disconnect', connection: null })
  })
})

describe('every answer', () => {
  test.each<[string, 'GET' | 'POST', number, string?]>([
    ['/oauth/epic-authorize', 'GET', 302],
    ['/oauth/epic-launch', 'GET', 400, 'launch_token_missing'],
    ['/oauth/epic-callback', 'GET', 400, 'login_refused'],
    ['/oauth/epic-callback?state=A&state=B', 'GET', 400, 'parameter_twice'],
    ['/oauth/epic-status', 'GET', 200],
    ['/oauth/epic-disconnect', 'POST', 403, 'request_cross_site'],
    ['/oauth/epic-disconnect', 'GET', 404, 'not_found'],
    ['/oauth/epic-authorize', 'POST', 404, 'not_found'],
    ['/oauth/epic-authorize?state=a%20b', 'GET', 400, 'launch_state_malformed'],
    ['/oauth/nobody-authorize', 'GET', 404, 'not_found'],
    ['/oauth/plain-authorize', 'GET', 404, 'not_found'],
    ['/oauth/-authorize', 'GET', 404, 'not_found'],
    ['/oauth/__proto__-authorize', 'GET', 404, 'not_found'],
    ['/oauth/epic-constructor', 'GET', 404, 'not_found'],
    ['/oauth/epic-authorize-debug', 'GET', 404, 'not_found'],
    ['/oauth/epic-callback-test', 'GET', 404, 'not_found'],
    ['/oauth2/token', 'POST', 404, 'not_found'],
    ['/status', 'GET', 404, 'not_found'],
    ['/', 'GET', 404, 'not_found'],
    ['/oauth/%ff', 'GET', 404, 'not_found'],
  ])('%s %s is kept by nobody and leads nowhere: %s', async (path, method, status, code) => {
    const reply = await world.browse(path, new Map(), { method })
    expect(reply.statusCode).toBe(status)
    if (code !== undefined) expect(reply.json().code).toBe(code)
    expect(reply.headers).toMatchObject({
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    })
    expect(reply.headers['content-security-policy']).toContain("default-src 'none'")
  })

  test('a HEAD spends no state', async () => {
    const { jar, back } = await atTheDoor()
    const path = `/oauth/epic-callback?${new URLSearchParams(back)}`
    const head = await world.launch.inject({ method: 'HEAD', url: path })
    expect(head.statusCode).toBe(404)
    expect((await callback(jar, back)).statusCode).toBe(303)
  })
})

test('a broker that cannot record a login gives no connection', async () => {
  const failing = await makeLaunchWorld({
    audit: {
      record: async () => {
        throw Object.assign(new Error('full'), { code: 'ENOSPC' })
      },
      close: async () => {},
    },
  })
  const jar: Jar = new Map()
  const reply = await failing.login(jar)
  expect([reply.statusCode, jar.has(SESSION)]).toEqual([500, false])
  await failing.close()
})

test('with debug the request is explained, and a callback rehearsed, and neither gives anything away', async () => {
  const open = await makeLaunchWorld({ debug: true, launch: FOR_SERVICE })
  const explained = (await open.browse('/oauth/epic-authorize-debug', new Map())).json()
  const names = explained.parameters.map((each: { name: string }) => each.name)
  expect(names).toEqual(expect.arrayContaining(['state', 'aud', 'code_challenge', 'nonce']))
  expect(explained.missing.join(' ')).toContain('publicUrl')
  const url = new URL(explained.url)
  const state = url.searchParams.get('state') ?? ''
  const test_ = (query: string, jar: Jar = new Map()) =>
    open.browse(`/oauth/epic-callback-test?${query}`, jar).then(reply => reply.json())
  expect(await test_(`state=${state}&code=SECRET-CODE`)).toEqual({
    refused: 'state_unknown',
    arrived: [
      { name: 'state', shown: '24 characters' },
      { name: 'code', shown: '11 characters' },
    ],
  })
  const jar: Jar = new Map()
  const out = await open.browse('/oauth/epic-authorize', jar)
  const own = new URL(String(out.headers.location)).searchParams.get('state')
  const query = `state=${own}&code=C&iss=${encodeURIComponent(open.ehr.issuer)}`
  expect((await test_(query, jar)).refused).toBeNull()
  expect((await test_(query, jar)).refused).toBeNull()
  await open.close()
})
