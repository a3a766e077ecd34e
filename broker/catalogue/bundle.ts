import { BrokerError } from '../errors.ts'
import { isSafeUrl, sameBase } from '../urls.ts'
import { isPublicHost } from './public-host.ts'

/** An EHR tenant of a list. */
export interface Hospital {
  /** Normalised, without a slash at the end. It is what a hospital is known by from one import to the next. */
  fhirBase: string
  /** What to call it, the best name first. */
  names: readonly string[]
}

/** Why an entry is not imported. */
export const PASSED_OVER = {
  entry_malformed: 'is no FHIR resource',
  not_active: 'is not active',
  not_fhir_rest: 'is not a FHIR REST endpoint',
  not_r4: 'is of another FHIR version than R4',
  address_missing: 'has no address',
  address_not_url: 'has an address that is no URL',
  address_not_https: 'has an address that is not https',
  address_with_extras: 'has an address with a user, a query or a fragment',
  address_private:
    'has an address that is not on the public internet; if it is right: --accept its host',
  address_twice: 'has an address that another entry has already',
} as const

export type PassedOverCode = keyof typeof PASSED_OVER

export interface PassedOver {
  /** Its place in the Bundle, from 0. */
  entry: number
  code: PassedOverCode
  address: string | null
}

export interface Listing {
  /** In a fixed order, whatever that of the Bundle. */
  hospitals: readonly Hospital[]
  passedOver: readonly PassedOver[]
}

/** Endpoints. Epic's list has some 500; every certified EHR's together have not as many. */
const MOST_ENDPOINTS = 20_000

type Json = Readonly<Record<string, unknown>>

/**
 * The hospitals of a FHIR R4 Bundle of Endpoint and Organization resources, in the form of Epic's public list.
 * `accepted` are hosts that may be asked although they are not on the public internet. Nothing in it is followed
 * further than one reference, so that cycles lead nowhere.
 *
 * Refused: `bundle_refused`. What is wrong with single entries is told with the listing.
 *
 * @see FHIR R4, Bundle, Endpoint and Organization
 */
export function readBundle(text: string, accepted: readonly string[]): Listing {
  const entries = entriesOf(text)
  const names = organizationNames(entries)
  const passedOver: PassedOver[] = []
  const found = new Map<string, { name: string | null; organization: string | null }>()
  for (const [entry, { resource, fullUrl }] of entries.entries()) {
    const judged =
      resource === null ? { code: 'entry_malformed' as const } : judge(resource, accepted)
    if (judged === null) continue
    const address = textOf(resource?.['address'])
    if ('code' in judged) passedOver.push({ entry, code: judged.code, address })
    else if (found.has(judged.fhirBase)) passedOver.push({ entry, code: 'address_twice', address })
    else if (resource !== null)
      found.set(judged.fhirBase, {
        name: textOf(resource['name']),
        organization: names.of(resource, fullUrl),
      })
  }
  return { hospitals: namedWell(found), passedOver }
}

interface Entry {
  resource: Json | null
  fullUrl: string | null
}

function entriesOf(text: string): Entry[] {
  let bundle: unknown
  try {
    bundle = JSON.parse(text.replace(/^\ufeff/, ''))
  } catch {
    throw refused('it is not JSON')
  }
  if (!isObject(bundle) || bundle['resourceType'] !== 'Bundle') throw refused('it is not a Bundle')
  const { type, entry, link } = bundle
  if (type !== 'searchset' && type !== 'collection')
    throw refused('its type is neither searchset nor collection')
  if (listOf(link).some(each => each['relation'] === 'next'))
    throw refused('it is one page of several; put all of them into one Bundle')
  if (!Array.isArray(entry) || entry.length === 0) throw refused('it has no entries')
  const entries = entry.map(each => ({
    resource: isObject(each) && isObject(each['resource']) ? each['resource'] : null,
    fullUrl: isObject(each) ? textOf(each['fullUrl']) : null,
  }))
  const endpoints = entries.filter(({ resource }) => resource?.['resourceType'] === 'Endpoint')
  if (endpoints.length === 0) throw refused('it has no Endpoint')
  if (endpoints.length > MOST_ENDPOINTS)
    throw refused(`it has more than ${MOST_ENDPOINTS} Endpoints`)
  return entries
}

const refused = (reason: string): BrokerError => new BrokerError('bundle_refused', { reason })

/** The base of a usable Endpoint, or what is wrong with it; null where it is no Endpoint. */
function judge(
  resource: Json,
  accepted: readonly string[],
): { fhirBase: string } | { code: PassedOverCode } | null {
  const { resourceType, status, connectionType, address } = resource
  if (resourceType !== 'Endpoint')
    return typeof resourceType === 'string' ? null : { code: 'entry_malformed' }
  if (status !== undefined && status !== 'active') return { code: 'not_active' }
  if (isObject(connectionType) && connectionType['code'] !== 'hl7-fhir-rest')
    return { code: 'not_fhir_rest' }
  if (versionsOf(resource).some(version => !/^(?:4|R4$)/.test(version))) return { code: 'not_r4' }
  const written = textOf(address)?.trim()
  if (!written) return { code: 'address_missing' }
  return judgeAddress(written, accepted)
}

function judgeAddress(
  written: string,
  accepted: readonly string[],
): { fhirBase: string } | { code: PassedOverCode } {
  const url = URL.canParse(written) && written.length <= MOST_ADDRESS ? new URL(written) : null
  const fhirBase = sameBase(written)
  if (url === null || fhirBase === null) return { code: 'address_not_url' }
  if (!isSafeUrl(url)) return { code: 'address_not_https' }
  if (`${url.username}${url.password}${url.search}${url.hash}`)
    return { code: 'address_with_extras' }
  if (!isPublicHost(url.hostname) && !accepted.includes(url.hostname))
    return { code: 'address_private' }
  return { fhirBase }
}

/** Characters. */
const MOST_ADDRESS = 2048

/** @see SMART App Launch 2.2, "User-access Brands": a list of brands has endpoints of every version */
const VERSION = 'http://hl7.org/fhir/StructureDefinition/endpoint-fhir-version'

const versionsOf = ({ extension }: Json): string[] =>
  listOf(extension)
    .filter(each => each['url'] === VERSION)
    .flatMap(each => textOf(each['valueCode']) ?? [])

interface Names {
  of: (endpoint: Json, fullUrl: string | null) => string | null
}

/** Whose an Endpoint is: by its own reference, contained or not, or by that of an Organization to it. */
function organizationNames(entries: readonly Entry[]): Names {
  const names = new Map<string, string>()
  const owners = new Map<string, string>()
  for (const { resource, fullUrl } of entries) {
    if (resource?.['resourceType'] !== 'Organization') continue
    const name = textOf(resource['name'])
    if (name === null) continue
    for (const key of keysOf(resource, fullUrl)) if (!names.has(key)) names.set(key, name)
    for (const reference of listOf(resource['endpoint']).flatMap(referenceKeys))
      if (!owners.has(reference)) owners.set(reference, name)
  }
  const first = (keys: readonly string[], map: ReadonlyMap<string, string>): string | null =>
    keys.map(key => map.get(key)).find(each => each !== undefined) ?? null
  return {
    of: (endpoint, fullUrl) => {
      const { managingOrganization: manager, contained } = endpoint
      const reference = isObject(manager) ? manager : {}
      const within = listOf(contained).find(each => `#${each['id']}` === reference['reference'])
      return (
        textOf(within?.['name']) ??
        first(referenceKeys(reference), names) ??
        textOf(reference['display']) ??
        first(keysOf(endpoint, fullUrl), owners)
      )
    },
  }
}

/** What a resource may be referred to by. */
const keysOf = ({ resourceType, id }: Json, fullUrl: string | null): string[] => [
  ...(fullUrl === null ? [] : [fullUrl]),
  ...(typeof id === 'string' ? [`${resourceType}/${id}`] : []),
]

/** `Organization/1`, the same after a base or before a version, or whatever a fullUrl is. */
function referenceKeys(value: Json): string[] {
  const reference = textOf(value['reference'])
  if (reference === null) return []
  const relative =
    /(?:^|\/)((?:Organization|Endpoint)\/[A-Za-z0-9.-]{1,64})(?:\/_history\/.*)?$/.exec(
      reference,
    )?.[1]
  return relative === undefined ? [reference] : [reference, relative]
}

/**
 * Hospitals with their names in order: that of the organisation, unless it has several endpoints and each has a name
 * of its own. The host's where there is none.
 */
function namedWell(
  found: ReadonlyMap<string, { name: string | null; organization: string | null }>,
): Hospital[] {
  const all = [...found].map(([fhirBase, each]) => ({ fhirBase, ...each }))
  const shared = Map.groupBy(all, each => each.organization)
  return all
    .map(({ fhirBase, name, organization }) => {
      const isShared = (shared.get(organization)?.length ?? 0) > 1
      const names = isShared ? [name, organization] : [organization, name]
      return {
        fhirBase,
        names: [...names, new URL(fhirBase).hostname].filter(each => each !== null),
      }
    })
    .sort((one, other) => (orderOf(one) < orderOf(other) ? -1 : 1))
}

const orderOf = ({ names, fhirBase }: Hospital): string => `${names[0]}\n${fhirBase}`

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const listOf = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isObject) : [])

/** Characters that a name may have; a longer one is cut. */
const MOST_TEXT = 4096

/** Text in one line, without what plays with a terminal; null where there is none. */
function textOf(value: unknown): string | null {
  if (typeof value !== 'string') return null
  const plain = value
    .slice(0, MOST_TEXT)
    .replace(/[\p{C}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim()
  return plain === '' ? null : plain
}
