import { type Chance, chanceFrom } from './chance.ts'

/** Scopes as hospitals and services write them: SMART v1 and v2, with queries, and others. */

const RESOURCES = [
  'Patient',
  'Observation',
  'Encounter',
  'Condition',
  'Coverage',
  'Binary',
] as const
const VERBS = ['read', 'write', '*', 'rs', 'cruds', 'r', 's', 'c', 'cu', 'ud', 'rus'] as const
const QUERIES = ['?category=laboratory', '?category=vital-signs', '?code=A1', '?code=a1'] as const
const OTHERS = ['openid', 'fhirUser', 'launch/patient', 'vendor.custom-scope'] as const
const LETTERS = new Map([
  ['read', 'rs'],
  ['write', 'cud'],
  ['*', 'cruds'],
])

export function anyScope(chance: Chance): string {
  if (chance.percent(8)) return chance.pick(OTHERS)
  const level = chance.percent(90) ? 'system' : 'user'
  const resource = chance.percent(8) ? '*' : chance.pick(RESOURCES)
  const query = chance.percent(15) ? chance.pick(QUERIES) : ''
  return `${level}/${resource}.${query === '' ? chance.pick(VERBS) : 'rs'}${query}`
}

/** What the scope allows, or some of it, in one of its spellings. */
function narrowed(scope: string, chance: Chance): string {
  const [, level = '', resource = '', suffix = '', query = ''] =
    /^(\w+)\/(\w+|\*)\.([a-z]+|\*)(\?.*)?$/.exec(scope) ?? []
  if (level === '') return scope
  const allowed = [...(LETTERS.get(suffix) ?? suffix)]
  const kept = allowed.filter(() => chance.percent(60))
  const letters = (kept.length > 0 ? kept : allowed).join('')
  const words = [...LETTERS].filter(([, each]) => each === letters).map(([word]) => word)
  const verbs = chance.pick([letters, ...words])
  const kind = resource === '*' && chance.percent(70) ? chance.pick(RESOURCES) : resource
  const narrower = query === '' && chance.percent(20) ? chance.pick(QUERIES) : query
  const head = chance.percent(10)
    ? `${level}/${kind}.${verbs}`.toLowerCase()
    : `${level === 'system' && chance.percent(10) ? '' : `${level}/`}${kind}.${verbs}`
  return `${head}${narrower}`
}

/** Some of the scopes, a few of them narrowed; never none. */
export function someOf(scopes: readonly string[], chance: Chance): string[] {
  const kept = scopes.filter(() => chance.percent(60))
  const all = kept.length > 0 ? kept : [chance.pick(scopes)]
  return [...new Set(all.map(each => (chance.percent(30) ? narrowed(each, chance) : each)))]
}

/** The scope lists of so many pools, the same wherever the seed is. */
export function scopeLists(seed: number, pools: number): string[][] {
  const chance = chanceFrom(seed)
  return Array.from({ length: pools }, () => [
    ...new Set(Array.from({ length: 3 + chance.below(5) }, () => anyScope(chance))),
  ])
}

/** What services send as `scope` where this is to be had: good texts in odd orders, too much, and no lists at all. */
export function menuOf(list: readonly string[], chance: Chance): string[] {
  return Array.from({ length: 12 }, () => {
    const scopes = someOf(list, chance).slice(0, 3)
    if (chance.percent(15)) scopes.push(anyScope(chance))
    if (chance.percent(15)) scopes.push(chance.pick(scopes))
    const ordered = chance.percent(50) ? scopes.toReversed() : scopes
    return ordered.join(chance.percent(3) ? chance.pick(['  ', '\t', ',']) : ' ')
  })
}
