import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import Provider, { type Configuration, type SigningAlgorithm } from 'oidc-provider'
import { once } from './keys.ts'

/** An EHR that users log in to: oidc-provider, which we did not write, with a FHIR base's smart-configuration. */
export interface UserEhr {
  issuer: string
  fhirBase: string
  authorizationEndpoint: string
  tokenEndpoint: string
  /** The forms that were posted to the token endpoint, in order. */
  tokenForms: URLSearchParams[]
  /** What the token endpoint answers may be changed by, until it is null again. */
  tamper:
    | ((
        body: Record<string, unknown>,
      ) => Record<string, unknown> | Promise<Record<string, unknown>>)
    | null
  /** What the smart-configuration says otherwise. */
  says: Record<string, unknown>
  /** A user logs in and consents; where the browser is sent then. */
  login: (url: string) => Promise<string>
  close: () => Promise<void>
}

export interface UserEhrClient {
  clientId: string
  redirectUri: string
  jwks: object[]
  alg: SigningAlgorithm
}

/** Of the patient that every login is about. */
export const PATIENT_ID = 'erXuFYUfucBZaryVksYEcMg3'

const signing = once(() => generateKeyPair('RS256', { extractable: true }))

/** An id_token as the EHR itself would sign it. */
export const signIdToken = async (claims: JWTPayload, kid = KID): Promise<string> =>
  new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid }).sign((await signing()).privateKey)

/** As Epic's are: base64 of a hash. */
const KID = 'a/b+c='

/** `kid` is that of the key that signs id_tokens. */
export async function startUserEhr(
  clients: readonly UserEhrClient[],
  {
    scopes,
    rolling = true,
    kid = KID,
    life = 3600,
  }: { scopes: readonly string[]; rolling?: boolean; kid?: string; life?: number },
): Promise<UserEhr> {
  const server = createServer()
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const provider = new Provider(issuer, {
    ...configuration(clients, scopes, { rolling, life }),
    jwks: {
      keys: [{ ...(await exportJWK((await signing()).privateKey)), kid, alg: 'RS256', use: 'sig' }],
    },
  })
  const ehr: UserEhr = {
    ...{ issuer, fhirBase: `${issuer}/fhir`, tokenForms: [], tamper: null, says: {} },
    ...{ authorizationEndpoint: `${issuer}/auth`, tokenEndpoint: `${issuer}/token` },
    login: walk,
    close: () => closed(server),
  }
  provider.use(async (context, next) => {
    await next()
    const { oidc } = context as { oidc?: { route: string; body: Record<string, string> } }
    if (oidc?.route !== 'token') return
    const form = new URLSearchParams(oidc.body)
    ehr.tokenForms.push(form)
    if (context.status !== 200) return
    const body = context.body as Record<string, unknown>
    const isCode = form.get('grant_type') === 'authorization_code'
    const own = isCode ? { patient: PATIENT_ID, need_patient_banner: 'false' } : {}
    context.body = (await ehr.tamper?.({ ...body, ...own })) ?? { ...body, ...own }
  })
  const answer = provider.callback()
  server.on('request', (request, reply) => {
    if (request.url !== '/fhir/.well-known/smart-configuration') {
      void answer(request, reply)
      return
    }
    reply.setHeader('content-type', 'application/json')
    reply.end(
      JSON.stringify({
        issuer,
        jwks_uri: `${issuer}/jwks`,
        authorization_endpoint: ehr.authorizationEndpoint,
        token_endpoint: ehr.tokenEndpoint,
        code_challenge_methods_supported: ['S256'],
        capabilities: ['launch-standalone', 'permission-offline'],
        ...ehr.says,
      }),
    )
  })
  return ehr
}

function configuration(
  clients: readonly UserEhrClient[],
  scopes: readonly string[],
  { rolling, life }: { rolling: boolean; life: number },
): Configuration {
  const algs = [...new Set(clients.map(each => each.alg))]
  return {
    clients: clients.map(({ clientId, redirectUri, jwks, alg }) => ({
      client_id: clientId,
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      redirect_uris: [redirectUri],
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: alg,
      jwks: { keys: jwks },
    })),
    clientAuthMethods: ['private_key_jwt'],
    enabledJWA: { clientAuthSigningAlgValues: algs },
    scopes: ['openid', 'offline_access', 'fhirUser', 'launch', 'launch/patient', ...scopes],
    claims: { openid: ['sub'], fhirUser: ['fhirUser'] },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    rotateRefreshToken: rolling,
    issueRefreshToken: async (_, client, code) =>
      client.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
    findAccount: async (_, sub) => ({
      accountId: sub,
      claims: async () => ({ sub, fhirUser: `Practitioner/${sub}` }),
    }),
    ttl: { AccessToken: life, IdToken: 300, RefreshToken: 86_400, Grant: 86_400, Session: 600 },
    cookies: { keys: ['only of a test'] },
  }
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections()
  await new Promise(done => server.close(done))
}

/** Through the provider's own pages as a browser goes, until it is sent to another origin. */
async function walk(url: string): Promise<string> {
  const jar = new Map<string, string>()
  const { origin } = new URL(url)
  let next: [string, RequestInit] = [url, {}]
  for (let steps = 0; steps < 20; steps++) {
    const [where, how] = next
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const reply = await fetch(where, { ...how, redirect: 'manual', headers: { cookie } })
    for (const each of reply.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(each) ?? []
      if (value === '') jar.delete(name)
      else jar.set(name, value)
    }
    const location = reply.headers.get('location')
    const page = await reply.text()
    if (location !== null) {
      const to = new URL(location, where)
      if (to.origin !== origin) return to.href
      next = [to.href, {}]
    } else
      next = [new URL(actionOf(page, where), where).href, { method: 'POST', body: fieldsOf(page) }]
  }
  throw new Error('the login never ends')
}

function actionOf(page: string, where: string): string {
  const [, action] = /<form[^>]+action="([^"]+)"/.exec(page) ?? []
  if (action === undefined)
    throw new Error(`no form at ${new URL(where).pathname}: ${page.slice(0, 400)}`)
  return action
}

function fieldsOf(page: string): URLSearchParams {
  const [, prompt = 'login'] = /name="prompt" value="(\w+)"/.exec(page) ?? []
  return new URLSearchParams({ prompt, login: 'eFUser', password: 'x' })
}
