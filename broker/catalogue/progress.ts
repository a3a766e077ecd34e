import { join } from 'node:path'
import { appendLine, readTextIfAny, removeFile, replaceFile } from '../files.ts'
import { MOST_RECORD_BYTES } from './record.ts'

/** What a FHIR server was found to say, or in one line why nothing was learned. */
export type Outcome = { tokenEndpoint: string } | { cause: string }

/** The answers of an import that is under way, so that one that is interrupted can go on. */
export interface Progress {
  /** What was answered before the interruption, by FHIR base. */
  known: ReadonlyMap<string, Outcome>
  /** Whether the interrupted import asked everything again. */
  again: boolean
  add: (fhirBase: string, outcome: Outcome) => void
  /** Nothing is left to go on with. */
  end: () => void
}

const NAME = '.import-progress.ndjson'

/**
 * Goes on with an import that was interrupted, if it put the same question; otherwise begins anew. Answers count only
 * for the question they were given to: another client ID may be given other endpoints.
 *
 * Refused: `file_unreadable`, `file_not_written`.
 */
export function openProgress(folder: string, question: string, again: boolean): Progress {
  const file = join(folder, NAME)
  const before = again ? null : interrupted(file, question)
  const known = before?.known ?? new Map<string, Outcome>()
  const head = { question, again: before?.again ?? again }
  const lines = [head, ...[...known].map(([fhirBase, outcome]) => ({ fhirBase, ...outcome }))]
  // Written anew, since the last line of an interrupted one may be half a line.
  replaceFile(file, lines.map(line => `${JSON.stringify(line)}\n`).join(''))
  return {
    ...{ known, again: head.again },
    add: (fhirBase, outcome) => appendLine(file, JSON.stringify({ fhirBase, ...outcome })),
    end: () => removeFile(file),
  }
}

/** As an import would go on that writes nothing. */
export function lookAtProgress(folder: string, question: string, again: boolean): Progress {
  const before = again ? null : interrupted(join(folder, NAME), question)
  const known = before?.known ?? new Map<string, Outcome>()
  return { known, again: before?.again ?? again, add: () => {}, end: () => {} }
}

function interrupted(
  file: string,
  question: string,
): { known: Map<string, Outcome>; again: boolean } | null {
  const text = readTextIfAny(file, MOST_RECORD_BYTES)
  const [head, ...lines] = (text ?? '').split('\n').map(lineOf)
  if (head?.['question'] !== question) return null
  const known = new Map<string, Outcome>()
  for (const line of lines) {
    const { fhirBase, tokenEndpoint, cause } = line ?? {}
    if (typeof fhirBase !== 'string') continue
    if (typeof tokenEndpoint === 'string') known.set(fhirBase, { tokenEndpoint })
    else if (typeof cause === 'string') known.set(fhirBase, { cause })
  }
  return { known, again: head['again'] === true }
}

/** Null for the half of a line that an interruption leaves. */
function lineOf(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : null
  } catch {
    return null
  }
}
