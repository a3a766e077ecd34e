import { hash } from 'node:crypto'
import type { UpstreamFile } from '../config-schema.ts'
import type { Source } from '../config-source.ts'
import { sameBase } from '../urls.ts'
import type { Hospital } from './bundle.ts'
import { freeId } from './ids.ts'
import { type Change, type Fields, fieldsOf, merge, type Wanted } from './merge.ts'
import type { Outcome } from './progress.ts'
import type { Imported, ImportRecord } from './record.ts'
import { changedFile, newFile } from './upstream-yaml.ts'

/** The upstreams of the folder, by id. */
export type Existing = ReadonlyMap<string, { upstream: UpstreamFile; source: Source }>

/** What the operator says of every hospital alike. */
export type Given = Pick<UpstreamFile, 'clientId' | 'environment' | 'profile' | 'scopes' | 'ca'>

/** Where a hospital stands before it is asked. */
export interface Match {
  hospital: Hospital
  last: Imported | null
  /** The id of its file; null where there is none. */
  id: string | null
  /** It had a file, which somebody removed. That is a change by hand too, and it stays removed. */
  isRemoved: boolean
}

/** One hospital, and what becomes of its file. */
export interface Step {
  kind: 'added' | 'changed' | 'same' | 'removed'
  id: string
  fhirBase: string
  changes: readonly Change[]
  kept: readonly Change[]
  /** Why nothing was learned this time; null where something was. */
  cause: string | null
  /** Whether it is switched off when this is done. */
  isOff: boolean
  /** The whole file, where it is to be written. */
  text: string | null
  imported: Imported
}

/** A hospital that an earlier import had and the list has no longer. */
export interface Gone {
  id: string
  fhirBase: string
  /** Removing its file would lose what somebody changed by hand. */
  isTouched: boolean
}

/** Each hospital of the list with the file that is its own: by the record, or by FHIR base and client ID. */
export function matchHospitals(
  hospitals: readonly Hospital[],
  record: ImportRecord,
  existing: Existing,
  { clientId }: Given,
): Match[] {
  const claimed = new Set([...record.values()].map(each => each.id))
  const unclaimed = [...existing].filter(([id]) => !claimed.has(id))
  const byBase = Map.groupBy(unclaimed, ([, { upstream }]) => sameBase(upstream.fhirBase))
  return hospitals.map(hospital => {
    const last = record.get(hospital.fhirBase) ?? null
    if (last !== null && existing.has(last.id))
      return { hospital, last, id: last.id, isRemoved: false }
    // The same client ID: at one FHIR base there may be an upstream of another app of ours.
    const clients = [clientId, last?.wrote.clientId]
    const found = byBase
      .get(hospital.fhirBase)
      ?.find(([, { upstream }]) => clients.includes(upstream.clientId))
    const id = found?.[0] ?? null
    return { hospital, last, id, isRemoved: id === null && last !== null }
  })
}

/** What becomes of every hospital of the list. Pure. */
export function planSteps(
  matches: readonly Match[],
  outcomes: ReadonlyMap<string, Outcome>,
  existing: Existing,
  record: ImportRecord,
  given: Given,
): Step[] {
  const taken = new Set([...existing.keys(), ...[...record.values()].map(each => each.id)])
  return matches.map(match => {
    const { hospital, last, id } = match
    const { fhirBase, names } = hospital
    if (match.isRemoved && last !== null) return removedStep(fhirBase, last)
    const outcome = outcomes.get(fhirBase) ?? { cause: 'it was not asked' }
    const file = id === null ? undefined : existing.get(id)
    if (id === null || file === undefined) {
      const fresh = freeId(names, each => taken.has(each))
      taken.add(fresh)
      return addedStep(fresh, hospital, outcome, given)
    }
    return mergedStep(id, hospital, last, file, outcome, given)
  })
}

const nothing = { changes: [], kept: [], cause: null, text: null } as const

const removedStep = (fhirBase: string, last: Imported): Step => ({
  ...nothing,
  ...{ kind: 'removed', id: last.id, fhirBase, isOff: false, imported: last },
})

function addedStep(
  id: string,
  { fhirBase, names }: Hospital,
  outcome: Outcome,
  given: Given,
): Step {
  const { wrote } = merge({}, {}, wantedOf(fhirBase, outcome, given, false))
  const text = newFile(names[0] ?? id, wrote)
  const cause = causeOf(outcome)
  const imported = { id, wrote, foundAs: foundAs(outcome, given), sha256: sha256(text) }
  return { ...nothing, kind: 'added', id, fhirBase, cause, isOff: cause !== null, text, imported }
}

function mergedStep(
  id: string,
  { fhirBase, names }: Hospital,
  last: Imported | null,
  { upstream, source }: { upstream: UpstreamFile; source: Source },
  outcome: Outcome,
  given: Given,
): Step {
  const file = fieldsOf(upstream)
  const wanted = wantedOf(fhirBase, outcome, given, file.tokenEndpoint !== undefined)
  const { changes, kept, wrote } = merge(last?.wrote ?? {}, file, wanted)
  const text = changes.length > 0 ? changedFile(source.document, changes) : null
  // A file that an interrupted import wrote is not in the record yet.
  const isOurs =
    sha256(source.text) === last?.sha256 || source.text === newFile(names[0] ?? id, file)
  const imported = {
    ...{ id, wrote },
    foundAs: foundAs(outcome, given) ?? last?.foundAs ?? null,
    sha256: isOurs ? sha256(text ?? source.text) : (last?.sha256 ?? null),
  }
  const turned = changes.find(each => each.field === 'off')
  const isOff = (turned ? turned.to : file.off) !== undefined
  const kind = changes.length > 0 ? 'changed' : 'same'
  return { kind, id, fhirBase, changes, kept, cause: causeOf(outcome), isOff, text, imported }
}

/**
 * What the import wants of a file. A hospital that does not answer is switched off only where no token endpoint is
 * known yet: one that has worked is not taken out because its discovery is down today.
 */
function wantedOf(fhirBase: string, outcome: Outcome, given: Given, isKnown: boolean): Wanted {
  const wanted: Wanted = { fhirBase, ...given }
  if ('tokenEndpoint' in outcome)
    return { ...wanted, tokenEndpoint: outcome.tokenEndpoint, off: null }
  if (isKnown) return wanted
  return { ...wanted, off: { enabled: false, reason: outcome.cause } }
}

/** The hospitals of the record that the list has no longer, as far as their files are still there. */
export function goneFrom(
  hospitals: readonly Hospital[],
  record: ImportRecord,
  existing: Existing,
): Gone[] {
  const listed = new Set(hospitals.map(each => each.fhirBase))
  return [...record].flatMap(([fhirBase, { id, sha256: wrote }]) => {
    const file = existing.get(id)
    if (listed.has(fhirBase) || file === undefined) return []
    return [{ id, fhirBase, isTouched: sha256(file.source.text) !== wrote }]
  })
}

const causeOf = (outcome: Outcome): string | null => ('cause' in outcome ? outcome.cause : null)

const foundAs = (outcome: Outcome, { clientId }: Given): string | null =>
  'tokenEndpoint' in outcome ? clientId : null

const sha256 = (text: string): string => hash('sha256', text, 'hex')

/** What is known of a hospital without asking: what the last import found, for the same client ID. */
export function knownFrom({ last }: Match, { clientId }: Given): Fields['tokenEndpoint'] {
  return last?.foundAs === clientId ? last.wrote.tokenEndpoint : undefined
}
