import type { UpstreamFile } from '../config-schema.ts'

/** Why an upstream is switched off: one thing, although two settings. */
export interface Off {
  enabled: false
  reason: string
}

/** What an import says of an upstream; all other settings are the operator's. */
export type Fields = Partial<
  Pick<
    UpstreamFile,
    'fhirBase' | 'tokenEndpoint' | 'clientId' | 'environment' | 'profile' | 'scopes' | 'ca'
  >
> & { off?: Off }

/** In the order in which a new file has them. */
export const FIELDS = [
  'fhirBase',
  'off',
  'tokenEndpoint',
  'clientId',
  'environment',
  'profile',
  'scopes',
  'ca',
] as const satisfies readonly (keyof Fields)[]

export type FieldName = (typeof FIELDS)[number]

/** What the import wants: a value, null for none, or no opinion where it has learned nothing. */
export type Wanted = { [Name in FieldName]?: Fields[Name] | null }

export interface Change {
  field: FieldName
  from: Fields[FieldName]
  to: Fields[FieldName]
}

export interface Merged {
  /** What the import may change in the file. */
  changes: readonly Change[]
  /** What somebody changed by hand, and the import leaves, with what it would have written. */
  kept: readonly Change[]
  /** What the next import will hold against the file. */
  wrote: Fields
}

/**
 * A three-way merge, field by field: what the last import wrote, what the file says now, and what is wanted. What is
 * as the last import wrote it follows; what differs from that was changed by hand, and stays.
 */
export function merge(last: Fields, file: Fields, wanted: Wanted): Merged {
  const changes: Change[] = []
  const kept: Change[] = []
  const wrote: Fields = {}
  for (const field of FIELDS) {
    const opinion = wanted[field]
    const to = opinion === undefined ? last[field] : (opinion ?? undefined)
    if (to !== undefined) Object.assign(wrote, { [field]: to })
    const from = file[field]
    if (opinion === undefined || isSame(from, to)) continue
    const isOurs = isSame(from, last[field])
    ;(isOurs ? changes : kept).push({ field, from, to })
  }
  return { changes, kept, wrote }
}

/** The fields of a file. */
export function fieldsOf(upstream: UpstreamFile): Fields {
  const { fhirBase, tokenEndpoint, clientId, environment, profile, scopes, ca } = upstream
  return {
    ...{ fhirBase, clientId, environment, profile, scopes },
    ...(tokenEndpoint !== undefined && { tokenEndpoint }),
    ...(ca !== undefined && { ca }),
    ...(upstream.enabled === false && { off: { enabled: false, reason: upstream.reason ?? '' } }),
  }
}

/** The order of scopes says nothing. */
const isSame = (one: unknown, other: unknown): boolean => plain(one) === plain(other)
const plain = (value: unknown): string | undefined =>
  JSON.stringify(Array.isArray(value) ? [...value].sort() : value)
