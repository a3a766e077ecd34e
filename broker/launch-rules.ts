import type { Complaint } from './config-rules.ts'
import type { ConfigFile, UpstreamFile } from './config-schema.ts'
import { listenerRules } from './listen-rules.ts'
import { isSafeUrl } from './urls.ts'

/** What one schema cannot say of the launch routes. Pure. */
export function launchRules(config: ConfigFile): Complaint[] {
  const { launch, sharedCache, upstreams } = config
  const complaints = Object.entries(upstreams).flatMap(([id, upstream]) =>
    targetRules(`/upstreams/${id}/launch`, upstream, config),
  )
  if (launch === undefined) return complaints
  complaints.push(...listenerRules(launch.listen, '/launch/listen'))
  if (!isOrigin(launch.publicUrl))
    complaints.push({
      at: '/launch/publicUrl',
      message:
        'must be an https URL without a path (http on a loopback address), as new URL().origin writes it',
    })
  if (launch.store !== undefined && sharedCache !== undefined)
    complaints.push({
      at: '/launch/store',
      message: 'goes without sharedCache: brokers that share keep connections there',
    })
  return complaints
}

function isOrigin(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : null
  return url !== null && url.origin === text && isSafeUrl(url)
}

function targetRules(at: string, { launch }: UpstreamFile, config: ConfigFile): Complaint[] {
  if (launch === undefined) return []
  const complaints: Complaint[] = []
  const complain = (place: string, message: string): number =>
    complaints.push({ at: `${at}${place}`, message })
  if (config.launch === undefined) complain('', 'needs launch, where browsers come')
  if (!isPlainUrl(launch.authorizationEndpoint))
    complain(
      '/authorizationEndpoint',
      'must be an https URL (http on a loopback address) without user or fragment',
    )
  if (launch.issuer !== undefined && !isPlainUrl(launch.issuer))
    complain('/issuer', 'must be an https URL (http on a loopback address)')
  for (const [index, scope] of launch.scopes.entries())
    if (scope.startsWith('system/'))
      complain(`/scopes/${index}`, 'is for services without a user: it belongs to scopes')
  if (launch.scopes.includes('offline_access') && launch.offline !== true)
    complain('/scopes', 'has offline_access, which offline: true asks for')
  if ((launch.embedded === true) !== (launch.origins !== undefined))
    complain('/origins', 'and embedded: true belong together')
  for (const [index, origin] of (launch.origins ?? []).entries())
    if (!isOrigin(origin)) complain(`/origins/${index}`, 'must be an https origin, without a path')
  return [...complaints, ...serviceRules(at, launch, config)]
}

function serviceRules(
  at: string,
  { service, returnUrl }: NonNullable<UpstreamFile['launch']>,
  { services }: ConfigFile,
): Complaint[] {
  if (service === undefined && returnUrl === undefined) return []
  if (service === undefined || returnUrl === undefined)
    return [{ at: `${at}/returnUrl`, message: 'and service belong together' }]
  const complaints: Complaint[] = []
  if (!Object.hasOwn(services, service))
    complaints.push({ at: `${at}/service`, message: `${service} is not one of the services` })
  if (!isPlainUrl(returnUrl))
    complaints.push({
      at: `${at}/returnUrl`,
      message: 'must be an https URL (http on a loopback address) without user or fragment',
    })
  else if (new URL(returnUrl).searchParams.has('code'))
    complaints.push({ at: `${at}/returnUrl`, message: 'has a parameter code, which is ours' })
  return complaints
}

function isPlainUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : null
  return url !== null && isSafeUrl(url) && !url.hash && !url.username && !url.password
}
