import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import type { ConfigFile } from '../../broker/config-schema.ts'
import { freePort } from './processes.ts'
import { startUserEhr, type UserEhr, type UserEhrClient } from './user-ehr.ts'
import { makeWorld, type World, type WorldOptions } from './world.ts'

export const USER_SCOPES = ['patient/Patient.read', 'patient/Observation.read']
/** A service that gets the connections. */
export const FOR_SERVICE = {
  service: 'scheduling',
  returnUrl: 'https://scheduling.example.com/ehr/connected?from=ehr',
}

type LaunchFile = NonNullable<ConfigFile['upstreams'][string]['launch']>

interface Options extends Pick<WorldOptions, 'audit' | 'services'> {
  /** Of the upstream `epic`. */
  launch?: Partial<LaunchFile>
  rolling?: boolean
  life?: number
  kid?: string
  debug?: boolean
  /** Browsers come over TLS, on a port. */
  tls?: boolean
  /** Changes the config before it is written; the keys are those that are published. */
  prepare?: (
    file: ConfigFile,
    ehr: UserEhr,
    keys: Pick<UserEhrClient, 'jwks' | 'alg'>,
  ) => Promise<void> | void
}

/** A browser's cookies, as it sends them. */
export type Jar = Map<string, string>

/** A broker that users log in through, and oidc-provider as the EHR. */
export interface LaunchWorld extends World {
  ehr: UserEhr
  launch: FastifyInstance
  publicUrl: string
  /** A request of a browser that has those cookies, and takes what it is given. */
  browse: (path: string, jar: Jar, options?: BrowseOptions) => Promise<LightMyRequestResponse>
  /** A whole login of that browser; the answer of the callback. */
  login: (jar: Jar, path?: string) => Promise<LightMyRequestResponse>
}

interface BrowseOptions {
  method?: 'GET' | 'POST'
  headers?: Record<string, string>
}

export async function makeLaunchWorld(options: Options = {}): Promise<LaunchWorld> {
  const port = await freePort()
  const publicUrl = `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`
  const opened: { ehr?: UserEhr } = {}
  const { audit, services } = options
  const world = await makeWorld({
    ...{ ...(audit && { audit }), ...(services && { services }) },
    prepare: async (file, folder, authority) => {
      const ehr = await startUserEhr(
        [
          {
            ...{ clientId: 'user-app', redirectUri: `${publicUrl}/oauth/epic-callback` },
            ...publishedIn(folder),
          },
        ],
        { scopes: USER_SCOPES, ...options },
      )
      opened.ehr = ehr
      writeFileSync(join(folder, 'seal'), randomBytes(32), { mode: 0o600 })
      const { epic } = file.upstreams
      if (!epic) throw new Error('no upstream')
      Object.assign(epic, { fhirBase: ehr.fhirBase, tokenEndpoint: ehr.tokenEndpoint })
      epic.launch = {
        ...{ clientId: 'user-app', authorizationEndpoint: authorizeAt(ehr, options) },
        ...{ scopes: USER_SCOPES, ...options.launch },
      }
      const tls = options.tls ? await authority.issue() : null
      if (tls) {
        writeFileSync(join(folder, 'launch.pem'), tls.cert)
        writeFileSync(join(folder, 'launch.key'), tls.key, { mode: 0o600 })
      }
      file.launch = {
        listen: { port, ...(tls && { tls: { cert: 'launch.pem', key: 'launch.key' } }) },
        ...{ publicUrl, sealKeys: ['seal'], debug: options.debug ?? false },
      }
      await options.prepare?.(file, ehr, publishedIn(folder))
    },
  })
  const { ehr } = opened
  const { launch } = world
  if (ehr === undefined || launch === null) throw new Error('there is no launch listener')
  // The moved clock stands in 2026; the provider lives in real time.
  world.clock.advance((Date.now() - world.clock.now()) / 1000)
  const browse: LaunchWorld['browse'] = async (
    path,
    jar,
    { method = 'GET', headers = {} } = {},
  ) => {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const reply = await launch.inject({ method, url: path, headers: { cookie, ...headers } })
    for (const { name, value, maxAge } of reply.cookies) {
      if (maxAge === 0) jar.delete(name)
      else jar.set(name, value)
    }
    return reply
  }
  return {
    ...{ ...world, ehr, launch, publicUrl, browse },
    login: async (jar, path = '/oauth/epic-authorize') => {
      const out = await browse(path, jar)
      if (out.statusCode !== 302) throw new Error(out.body)
      const back = await ehr.login(String(out.headers.location))
      return browse(back.slice(publicUrl.length), jar)
    },
    close: async () => {
      await world.close()
      await ehr.close()
    },
  }
}

/** OpenID Connect wants the user asked each time that lasting access is (Core §11), and this server holds to it. */
const authorizeAt = ({ authorizationEndpoint }: UserEhr, { launch }: Options): string =>
  launch?.offline ? `${authorizationEndpoint}?prompt=consent` : authorizationEndpoint

function publishedIn(folder: string): Pick<UserEhrClient, 'jwks' | 'alg'> {
  const place = join(folder, 'keys', 'nonprod')
  const names = readdirSync(place).filter(name => name.endsWith('.jwk.json'))
  const jwks = names.map(name => JSON.parse(readFileSync(join(place, name), 'utf8')))
  return { jwks, alg: jwks[0].alg }
}
