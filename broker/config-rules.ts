import { accessRules } from './access-rules.ts'
import type { ConfigFile, UpstreamFile } from './config-schema.ts'
import { bears, expandGrants, type GrantLine, type UpstreamGrant } from './grants.ts'
import { keyRules } from './keys-config.ts'
import { launchRules } from './launch-rules.ts'
import { listenRules } from './listen-rules.ts'
import { PROFILES, type Profile } from './profiles.ts'
import { rotationRules } from './rotation-config.ts'
import { coverage } from './scopes.ts'
import { isLoopback, isSafeUrl } from './urls.ts'

/** What is wrong with a config, and where. */
export interface Complaint {
  /** A JSON pointer. */
  at: string
  message: string
}

/** What one schema cannot say: the rules between settings. Pure. */
export function crossCheck(config: ConfigFile): Complaint[] {
  return [
    ...issuerRules(config),
    ...listenRules(config),
    ...keyRules(config.keys),
    ...rotationRules(config),
    ...Object.entries(config.upstreams).flatMap(([id, upstream]) =>
      upstreamRules(id, upstream, config),
    ),
    ...sharedClientRules(config),
    ...accessRules(config),
    ...sharedCacheRules(config),
    ...launchRules(config),
    ...Object.entries(config.services).flatMap(([id, { grants }]) => [
      ...twiceGranted(id, grants),
      ...grants.flatMap((grant, index) =>
        lineRules(`/services/${id}/grants/${index}`, grant, config),
      ),
      ...expandGrants(grants, config.upstreams).flatMap(grant =>
        grantRules(`/services/${id}/grants/${grant.lines[0]}`, grant, config),
      ),
    ]),
  ]
}

function issuerRules({ issuer }: ConfigFile): Complaint[] {
  const url = URL.canParse(issuer) ? new URL(issuer) : null
  if (url && url.origin === issuer && isSafeUrl(url)) return []
  return [
    {
      at: '/issuer',
      message:
        'must be an https URL without a path (http on a loopback address), as new URL().origin writes it',
    },
  ]
}

function upstreamRules(id: string, upstream: UpstreamFile, { keys }: ConfigFile): Complaint[] {
  const complaints: Complaint[] = []
  const at = `/upstreams/${id}`
  const complain = (place: string, message: string) =>
    complaints.push({ at: `${at}/${place}`, message })
  for (const name of ['fhirBase', 'tokenEndpoint'] as const) {
    const written = upstream[name]
    if (written === undefined) continue
    const url = URL.canParse(written) ? new URL(written) : null
    if (!url || !isSafeUrl(url) || url.hash || url.username || url.password) {
      complain(name, 'must be an https URL (http on a loopback address) without user or fragment')
    } else if (name === 'tokenEndpoint' && url.href !== written) {
      complain(name, `must be written as it is sent: ${url.href}`)
    }
  }
  if (upstream.clientId.startsWith('REPLACE-')) {
    complain(
      'clientId',
      'is still the placeholder: put in the client ID that the EHR gave your app',
    )
  }
  if (isOn(upstream)) return [...complaints, ...usedUpstreamRules(at, upstream, keys)]
  if (upstream.reason === undefined) complain('reason', 'is missing: say why it is switched off')
  return complaints
}

/** What an upstream needs beyond its form, unless it is switched off. */
function usedUpstreamRules(
  at: string,
  { tokenEndpoint, environment, reason, keySource, pinnedKids }: UpstreamFile,
  keys: ConfigFile['keys'],
): Complaint[] {
  const complaints: Complaint[] = []
  if (reason !== undefined)
    complaints.push({ at: `${at}/reason`, message: 'belongs to enabled: false' })
  if (tokenEndpoint === undefined) {
    const message = 'is missing; ask the EHR for it: npm run -s broker -- discover FHIR-BASE'
    complaints.push({ at: `${at}/tokenEndpoint`, message })
  }
  if ((keySource === 'pinned') !== (pinnedKids !== undefined)) {
    const message = 'keySource: pinned and pinnedKids belong together'
    complaints.push({ at: `${at}/pinnedKids`, message })
  }
  if (!keys[environment]) {
    const message = `needs the private keys of ${environment}: keys.${environment}.folder or .pkcs11`
    complaints.push({ at: `${at}/environment`, message })
  }
  return complaints
}

/** One token serves all who share a client ID where the app fixes the scopes, so they must agree on what those are. */
function sharedClientRules({ upstreams }: ConfigFile): Complaint[] {
  const fixed = Object.entries(upstreams).filter(
    ([, each]) => isOn(each) && profileOf(each).scopes === 'fixed-by-app',
  )
  const shared = Map.groupBy(fixed, ([, each]) =>
    JSON.stringify([each.tokenEndpoint, each.clientId]),
  )
  return [...shared.values()].flatMap(([first, ...others]) => {
    const listOf = (entry: (typeof fixed)[number] | undefined) =>
      JSON.stringify([...(entry?.[1].scopes ?? [])].sort())
    return others
      .filter(other => listOf(other) !== listOf(first))
      .map(([id]) => ({
        at: `/upstreams/${id}/scopes`,
        message: `must be the same as those of ${first?.[0]}, which has the same client ID: the app has one scope list`,
      }))
  })
}

/** A grant is at one upstream or at a group, and a group has somebody in it. */
function lineRules(at: string, { upstream, labels }: GrantLine, config: ConfigFile): Complaint[] {
  if ((upstream === undefined) === (labels === undefined))
    return [{ at, message: 'names either an upstream or labels' }]
  if (labels === undefined) return []
  const all = Object.values(config.upstreams)
  return all.some(each => bears(each.labels, labels))
    ? []
    : [{ at: `${at}/labels`, message: 'no upstream bears all of these labels' }]
}

function twiceGranted(id: string, grants: readonly GrantLine[]): Complaint[] {
  const named = new Set<string>()
  return grants.flatMap(({ upstream }, index) => {
    if (upstream === undefined) return []
    if (!named.has(upstream)) {
      named.add(upstream)
      return []
    }
    const message = `${upstream} is granted already; name all scopes there`
    return [{ at: `/services/${id}/grants/${index}/upstream`, message }]
  })
}

export const isOn = ({ enabled }: UpstreamFile): boolean => enabled !== false

const profileOf = ({ profile }: UpstreamFile): Profile => PROFILES[profile]

function grantRules(at: string, grant: UpstreamGrant, config: ConfigFile): Complaint[] {
  const upstream = config.upstreams[grant.upstream]
  if (!Object.hasOwn(config.upstreams, grant.upstream) || !upstream) {
    return [{ at: `${at}/upstream`, message: `${grant.upstream} is not one of the upstreams` }]
  }
  const complaints: Complaint[] = []
  const [declared, granted] = [coverage(upstream.scopes), coverage(grant.scopes)]
  const beyond = grant.scopes.filter(scope => !declared(scope))
  if (beyond.length > 0) {
    complaints.push({
      at: `${at}/scopes`,
      message: `goes beyond the scopes of ${grant.upstream}: ${beyond.join(' ')}`,
    })
  }
  const profile = profileOf(upstream)
  const missing = upstream.scopes.filter(scope => !granted(scope))
  if (profile.scopes === 'fixed-by-app' && missing.length > 0) {
    complaints.push({
      at: `${at}/scopes`,
      message:
        `must cover all of ${grant.upstream}, since ${upstream.profile} grants an app’s whole scope list whatever is ` +
        `asked; missing: ${missing.join(' ')}. To give less, register another client ID and make it another upstream`,
    })
  }
  return complaints
}

function sharedCacheRules({ sharedCache }: ConfigFile): Complaint[] {
  if (!sharedCache) return []
  const { url, urlFile, ca } = sharedCache
  if ((url === undefined) === (urlFile === undefined))
    return [{ at: '/sharedCache', message: 'needs either url or urlFile' }]
  if (url === undefined) return []
  const complaints = storeUrlRules(url, '/sharedCache/url', ca !== undefined)
  if (URL.canParse(url) && new URL(url).password !== '') {
    complaints.push({
      at: '/sharedCache/url',
      message: 'has a password: put the URL into a file, and name that as urlFile',
    })
  }
  return complaints
}

/** What is wrong with the URL of the shared cache. It may hold a password, and is not repeated. */
export function storeUrlRules(url: string, at: string, hasAuthorities: boolean): Complaint[] {
  const parsed = URL.canParse(url) ? new URL(url) : null
  const isTls = parsed?.protocol === 'rediss:' && parsed.hostname !== ''
  const isNear = parsed?.protocol === 'redis:' && isLoopback(parsed.hostname)
  const complaints: Complaint[] = []
  if (!isTls && !isNear)
    complaints.push({ at, message: 'must be a rediss:// URL (redis:// on a loopback address)' })
  else if (!/^\/?\d{0,5}$/.test(parsed.pathname))
    complaints.push({ at, message: 'has a path that is not the number of a database' })
  else if (!isEncoded(parsed.username) || !isEncoded(parsed.password))
    complaints.push({ at, message: 'has a user or a password with a % that begins no escape' })
  if (!isTls && hasAuthorities)
    complaints.push({ at: '/sharedCache/ca', message: 'is only for a rediss:// URL' })
  return complaints
}

function isEncoded(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}
