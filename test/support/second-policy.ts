import { hash } from 'node:crypto'

type Line = { upstream?: string; labels?: Record<string, string>; scopes: string[] }
type Hospital = Line & Record<'fhirBase' | 'clientId', string> & { enabled?: boolean }
type Service = { secretSha256?: string[]; grants: Line[]; mode?: 'enforce' | 'audit' }
/** The config as it is written: nothing expanded, nothing checked. */
export type RawConfig = { upstreams: Record<string, Hospital>; services: Record<string, Service> }
export type Wish = Record<'client' | 'secret', string> &
  Record<'audience' | 'scope', string | undefined> & { resources: string[] }
export type Right = Hospital & { id: string; isGranted: (scopes: string) => boolean }

const VERBS = new URLSearchParams('read=rs&write=cud&*=cruds&search=s&create=c&update=u&delete=d')

/** All that a scope allows, a sentence each; one that is no SMART scope is a sentence itself. */
function sentences(scope: string): string[][] {
  const [head = '', ...query] = scope.split('?')
  const [path = '', suffix = ''] = head.toLowerCase().split('.')
  const [level = '', kind = ''] = path.includes('/') ? path.split('/') : ['system', path]
  const verbs = VERBS.get(suffix) ?? suffix
  if (verbs === '' || verbs !== [...'cruds'].filter(each => verbs.includes(each)).join(''))
    return [[scope.toLowerCase()]]
  return [...verbs].map(verb => [level, kind, verb, query.join('?')])
}

/** Whether all of a list, scopes between spaces, is among what the granted scopes allow together. */
function allows(granted: readonly string[]): (list: string) => boolean {
  const can = new Set(granted.flatMap(sentences).map(each => each.join(' ')))
  const isAllowed = ([level, kind, verb, query]: string[]): boolean =>
    verb === undefined
      ? can.has(String(level))
      : [kind, '*'].some(k => [query, ''].some(q => can.has([level, k, verb, q].join(' '))))
  return list => list.split(' ').flatMap(sentences).every(isAllowed)
}

const plain = (url: string): string => (URL.parse(url)?.href ?? url).replace(/\/$/, '')

/** Where a wish leads and what may be had there, in the plainest words; null where nothing may be had. */
export function secondPolicy({ services, upstreams }: RawConfig): (wish: Wish) => Right | null {
  const known = new Map<string, Right[]>()
  const rightsOf = (client: string): Right[] =>
    Object.entries(upstreams).flatMap(([id, { labels: own, ...hospital }]) => {
      const lines = services[client]?.grants.filter(({ upstream, labels }) =>
        labels ? Object.entries(labels).every(([k, v]) => own?.[k] === v) : upstream === id,
      )
      const granting = services[client]?.mode === 'audit' ? [hospital] : lines
      const isGranted = allows(granting?.flatMap(each => each.scopes) ?? [])
      const fhirBase = plain(hospital.fhirBase)
      return lines?.length ? [{ ...hospital, fhirBase, id, isGranted }] : []
    })
  return ({ client, secret, resources, audience, scope }) => {
    if (!services[client]?.secretSha256?.includes(hash('sha256', secret))) return null
    if (!known.has(client)) known.set(client, rightsOf(client))
    const [found, ...others] = (known.get(client) ?? [])
      .filter(({ id }) => resources.length <= 1 && (audience ?? id) === id)
      .filter(({ fhirBase }) => resources.every(each => plain(each) === fhirBase))
    if (!found || others.length > 0 || found.enabled === false) return null
    return scope === undefined || found.isGranted(scope) ? found : null
  }
}
