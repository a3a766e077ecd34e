import { shown } from './errors.ts'
import type { PublicKey } from './jwk.ts'
import type { Change } from './policy.ts'

/** A change for whoever reviews it, as Markdown: the key set before and after, a row a key. */
export function changeTable({ environment, live, next }: Change): string {
  const before = live?.keys ?? []
  const all = [...next.keys, ...before.filter(key => !has(next.keys, key))]
  const first =
    live === null && next.keys.length > 0 ? ['**First publication of this URL.**', ''] : []
  if (all.length === 0) return `### ${environment}\n\nNo key yet.\n`
  const rows = all.map(key => {
    const { kid, alg } = key.jwk
    const [was, is] = [has(before, key), has(next.keys, key)]
    const what =
      was && is
        ? 'stays'
        : is
          ? '**comes**'
          : `**goes** ${reasonOf(next.lifecycle[key.thumbprint])}`
    const cells = [code(kid), alg, `${key.bits}`, code(key.thumbprint), mark(was), mark(is), what]
    return `| ${cells.join(' | ')} |`
  })
  return [
    `### ${environment}`,
    '',
    ...first,
    `${code(next.url)}`,
    '',
    '| kid | alg | bits | thumbprint | before | after | |',
    '|---|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}

const has = (keys: readonly PublicKey[], key: PublicKey): boolean =>
  keys.some(each => each.thumbprint === key.thumbprint && each.jwk.kid === key.jwk.kid)

const mark = (is: boolean): string => (is ? 'yes' : '–')

function reasonOf(entry: Change['next']['lifecycle'][string] | undefined): string {
  if (!entry?.retired) return '(no reason)'
  const { reason, emergency, unreleased } = entry.retired
  const how = emergency ? 'emergency' : unreleased ? 'unreleased' : 'released'
  return `(${how}: ${code(reason)})`
}

/** Text from outside as code: it can end neither the code, nor the cell, nor the line. */
const code = (text: string): string =>
  `\`${shown(text).replaceAll('`', "'").replaceAll('|', '\\|')}\``
