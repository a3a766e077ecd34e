import { join } from 'node:path'
import { makeFolder, namesIn, readText, removeFile, replaceFile } from '../files.ts'
import { inParallel } from '../in-parallel.ts'
import { readUpstreamFolder, type UpstreamFolder } from '../upstream-folder.ts'
import { type Hospital, type Listing, readBundle } from './bundle.ts'
import {
  type Given,
  type Gone,
  goneFrom,
  knownFrom,
  type Match,
  matchHospitals,
  planSteps,
  type Step,
} from './plan.ts'
import { lookAtProgress, type Outcome, openProgress, type Progress } from './progress.ts'
import { type ImportRecord, readRecord, writeRecord } from './record.ts'

export interface ImportRequest {
  bundle: string
  /** The folder of upstreams. */
  folder: string
  given: Given
  /** Hosts that are asked, and may have a token endpoint, although names alone speak against it. */
  accepted: readonly string[]
  /** Ask everything anew. */
  again: boolean
  /** Show the difference and write nothing. */
  dryRun: boolean
  /** Remove the files of hospitals that the list has no longer, unless somebody changed them. */
  removeGone: boolean
}

export interface ImportPorts {
  /** Where a hospital's token endpoint is. Never throws for the far end. */
  ask: (fhirBase: string) => Promise<Outcome>
  /** So many of so many have been asked. */
  asked: (done: number, all: number, hospital: Hospital, outcome: Outcome) => void
  /** The difference, before anything of it is written. */
  show: (plan: Plan) => void
}

/** The difference that an import makes. */
export interface Plan {
  steps: readonly Step[]
  gone: readonly Gone[]
  /** Of those: whose files are removed. */
  removed: readonly Gone[]
  passedOver: Listing['passedOver']
}

/** Bytes. Epic's list is 2 MB; a list of brands with its logos is some 30. */
const MOST_BUNDLE_BYTES = 64 * 1024 * 1024

/** Hospitals asked at once. */
const AT_ONCE = 4

/**
 * The story of an import: the list, the folder as it is, each hospital asked, the difference shown, and then written,
 * a file after the other, each whole. Interrupted at any point it can be run again: what was answered is not asked
 * again, and what was written is found as it is. Complaints are about files that somebody left unreadable; then
 * nothing is asked or written.
 *
 * Refused: `bundle_refused`, `file_unreadable`, `file_not_written`.
 */
export async function importBundle(
  request: ImportRequest,
  ports: ImportPorts,
): Promise<{ plan: Plan } | { complaints: UpstreamFolder['complaints'] }> {
  const { folder, given, again, dryRun } = request
  const { hospitals, passedOver } = readBundle(
    readText(request.bundle, MOST_BUNDLE_BYTES),
    request.accepted,
  )
  const { upstreams: existing, complaints } = openFolder(folder)
  if (complaints.length > 0) return { complaints }
  const record = readRecord(folder)
  const matches = matchHospitals(hospitals, record, existing, given)

  const question = JSON.stringify([given.clientId, given.profile, [...request.accepted].sort()])
  if (!dryRun) makeFolder(folder)
  const progress = (dryRun ? lookAtProgress : openProgress)(folder, question, again)
  const outcomes = await askAll(matches, given, progress, ports)

  const gone = goneFrom(hospitals, record, existing)
  const removed = request.removeGone ? gone.filter(each => !each.isTouched) : []
  const steps = planSteps(matches, outcomes, existing, record, given)
  const plan: Plan = { steps, gone, removed, passedOver }
  ports.show(plan)
  if (!dryRun) {
    write(plan, folder, record)
    progress.end()
  }
  return { plan }
}

function openFolder(folder: string): UpstreamFolder {
  return namesIn(folder) === null
    ? { upstreams: new Map(), complaints: [] }
    : readUpstreamFolder(folder)
}

async function askAll(
  matches: readonly Match[],
  given: Given,
  { known, again, add }: Progress,
  { ask, asked }: ImportPorts,
): Promise<Map<string, Outcome>> {
  const outcomes = new Map<string, Outcome>(known)
  const unknown: Hospital[] = []
  for (const match of matches) {
    const { fhirBase } = match.hospital
    if (match.isRemoved || outcomes.has(fhirBase)) continue
    const tokenEndpoint = again ? undefined : knownFrom(match, given)
    if (tokenEndpoint === undefined) unknown.push(match.hospital)
    else outcomes.set(fhirBase, { tokenEndpoint })
  }
  let done = 0
  await inParallel(AT_ONCE, unknown, async hospital => {
    const outcome = await ask(hospital.fhirBase)
    outcomes.set(hospital.fhirBase, outcome)
    add(hospital.fhirBase, outcome)
    asked(++done, unknown.length, hospital, outcome)
  })
  return outcomes
}

/** The record comes last: until then an import that is run again finds the files as they were written. */
function write({ steps, gone, removed }: Plan, folder: string, before: ImportRecord): void {
  const fileOf = ({ id }: { id: string }): string => join(folder, `${id}.yaml`)
  for (const step of steps) if (step.text !== null) replaceFile(fileOf(step), step.text)
  for (const each of removed) removeFile(fileOf(each))
  const staying = gone.filter(each => !removed.includes(each)).map(each => each.fhirBase)
  writeRecord(
    folder,
    new Map([
      ...[...before].filter(([fhirBase]) => staying.includes(fhirBase)),
      ...steps.map(({ fhirBase, imported }) => [fhirBase, imported] as const),
    ]),
  )
}
