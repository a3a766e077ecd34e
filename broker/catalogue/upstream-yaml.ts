import { Document, isMap, isScalar, isSeq, type Node, type Pair, type YAMLMap } from 'yaml'
import { type Change, FIELDS, type Fields, type Off } from './merge.ts'

const STYLE = { lineWidth: 0 } as const

/** Characters of a name in the comment at the head of a file. */
const MOST_NAME = 200

/** The file of a new upstream, headed by the hospital's name. */
export function newFile(name: string, fields: Fields): string {
  const document = new Document(
    Object.fromEntries(FIELDS.flatMap(field => settingsOf(field, fields[field]))),
  )
  document.commentBefore = ` ${name.slice(0, MOST_NAME)}`
  return document.toString(STYLE)
}

/** The file with the changes, and with all else as it was: comments, other settings, their order. */
export function changedFile(document: Document, changes: readonly Change[]): string {
  const copy = document.clone()
  const map = copy.contents
  if (!isMap(map)) throw new TypeError('an upstream’s file is a map')
  for (const { field, from, to } of changes) {
    const after = new Map(settingsOf(field, to))
    for (const [name] of settingsOf(field, from)) if (!after.has(name)) remove(map, name)
    for (const [name, value] of after) put(copy, map, name, value)
  }
  return copy.toString(STYLE)
}

/** The settings of a field by name. */
function settingsOf(field: keyof Fields, value: Fields[keyof Fields]): [string, unknown][] {
  if (value === undefined) return []
  if (field !== 'off') return [[field, value]]
  const { enabled, reason } = value as Off
  return [
    ['enabled', enabled],
    ['reason', reason],
  ]
}

const ORDER = FIELDS.flatMap(field => (field === 'off' ? ['enabled', 'reason'] : [field]))

function put(document: Document, map: YAMLMap, name: string, value: unknown): void {
  const old = map.get(name, true)
  if (isSeq(old) && Array.isArray(value)) putList(old.items as Node[], value, document)
  // A plain value is put into the node that is there, with its comment.
  else if (isScalar(old) && !Array.isArray(value)) old.value = value
  else if (map.has(name)) map.set(name, document.createNode(value))
  else {
    const before = ORDER.slice(0, ORDER.indexOf(name))
    const at = map.items.findLastIndex(pair => before.includes(nameOf(pair)))
    map.items.splice(at + 1, 0, document.createPair(name, value))
  }
}

/** Entries that stay keep their comments. */
function putList(items: Node[], values: readonly unknown[], document: Document): void {
  const said = (item: Node): unknown => (isScalar(item) ? item.value : undefined)
  const staying = items.filter(item => values.includes(said(item)))
  const there = staying.map(said)
  const added = values
    .filter(value => !there.includes(value))
    .map(value => document.createNode(value))
  items.splice(0, items.length, ...staying, ...added)
}

/** What somebody noted at a setting that goes is kept at the one that follows. */
function remove(map: YAMLMap, name: string): void {
  const at = map.items.findIndex(pair => nameOf(pair) === name)
  const pair = map.items[at]
  if (pair === undefined) return
  map.items.splice(at, 1)
  const notes = [commentBefore(pair.key), comment(pair.value)].filter(each => each !== null)
  if (notes.length === 0) return
  const next = map.items[at]?.key as Node | undefined
  if (next) next.commentBefore = [...notes, ...texts(next.commentBefore)].join('\n')
  else map.comment = [...texts(map.comment), ...notes].join('\n')
}

const nameOf = ({ key }: Pair): string => String(isScalar(key) ? key.value : key)
const texts = (text: string | null | undefined): string[] => (text ? [text] : [])
const commentBefore = (node: unknown): string | null => (node as Node | null)?.commentBefore ?? null
const comment = (node: unknown): string | null => (node as Node | null)?.comment ?? null
