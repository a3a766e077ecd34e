import { type Document, isScalar, LineCounter, parseDocument, visit } from 'yaml'
import { shown } from '../keys-pipeline/errors.ts'
import type { Complaint } from './config-rules.ts'

/** A complaint about one of the config's files. */
export interface Placed extends Complaint {
  file: string
  line: number | null
}

/** One YAML file of a config: what it says, and on which line. */
export interface Source {
  file: string
  text: string
  /** Undefined where it cannot be read as YAML. */
  value: unknown
  /** What is wrong with it as YAML. */
  faults: readonly Complaint[]
  document: Document.Parsed
  lines: LineCounter
}

export function openSource(file: string, text: string): Source {
  const lines = new LineCounter()
  // The library compares each name with all before it: seconds, where there are ten thousand.
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: false })
  const source = { file, text, document, lines, value: undefined, faults: [] }
  const faults = [...document.errors, ...document.warnings]
  const messages = faults.map(fault => fault.message.split('\n')[0] ?? 'not YAML')
  if (messages.length === 0) messages.push(...twiceNamed(document, lines))
  if (messages.length > 0)
    return { ...source, faults: messages.map(message => ({ at: '/', message })) }
  try {
    return { ...source, value: document.toJS() }
  } catch {
    const message = 'has an alias that leads nowhere, or too many of them'
    return { ...source, faults: [{ at: '/', message }] }
  }
}

/** @see YAML 1.2.2 §3.2.1.1: the names of a mapping are unique. */
function twiceNamed(document: Document.Parsed, lines: LineCounter): string[] {
  const messages: string[] = []
  visit(document, {
    Map: (_, { items }) => {
      const names = new Set<unknown>()
      for (const { key } of items) {
        const name = isScalar(key) ? key.value : key
        if (names.has(name)) {
          const { line } = lines.linePos(isScalar(key) ? (key.range?.[0] ?? 0) : 0)
          messages.push(
            `has a name twice in one place: ${shown(String(name).slice(0, 100))} on line ${line}`,
          )
        }
        names.add(name)
      }
    },
  })
  return messages
}

/** What a compiled schema gives. */
interface Form {
  Check: (value: unknown) => boolean
  Errors: (value: unknown) => [boolean, readonly FormError[]]
}
interface FormError {
  keyword: string
  instancePath: string
  params: object
  message: string
}

/** What is wrong with a file: as YAML, or else against the schema. */
export function formFaults({ faults, value }: Source, form: Form): readonly Complaint[] {
  if (faults.length > 0) return faults
  // The check is compiled, the search for what is wrong is not.
  if (form.Check(value)) return []
  return form
    .Errors(value)[1]
    .filter(error => error.keyword !== 'boolean')
    .flatMap(({ instancePath, keyword, params, message }) => {
      if (keyword === 'additionalProperties') {
        const { additionalProperties: names } = params as { additionalProperties: string[] }
        return names.map(name => ({
          at: `${instancePath}/${name}`,
          message: 'is not a setting, or not a name that may be used',
        }))
      }
      const { allowedValues } = params as { allowedValues?: string[] }
      return [
        {
          at: instancePath || '/',
          message: allowedValues ? `must be one of ${allowedValues.join(', ')}` : message,
        },
      ]
    })
}

/** The complaint with its file, and its line or that of the nearest thing above it that is there. */
export function placeIn({ file, document, lines }: Source, complaint: Complaint): Placed {
  const keys = complaint.at
    .split('/')
    .slice(1)
    .map(key => key.replaceAll('~1', '/').replaceAll('~0', '~'))
  for (let depth = keys.length; depth > 0; depth--) {
    const node = document.getIn(keys.slice(0, depth), true) as
      | { range?: [number, number, number] }
      | undefined
    if (node?.range) return { ...complaint, file, line: lines.linePos(node.range[0]).line }
  }
  return { ...complaint, file, line: null }
}
