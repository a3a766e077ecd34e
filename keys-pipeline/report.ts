import type { Entered } from './add.ts'
import { type Finding, shown, type Told } from './errors.ts'
import type { Generated } from './generate.ts'
import { ENVIRONMENTS, type Environment } from './key-set.ts'
import type { EnvironmentKeys } from './pipeline.ts'
import type { Site } from './render.ts'
import { keySetUrl, type Settings } from './settings.ts'

/** Findings for people: by file, each with its code, what is wrong and what to do. */
export function findingsReport(findings: readonly Finding[]): string {
  const lines: string[] = []
  for (const [file, group] of Map.groupBy(findings, each => each.file)) {
    lines.push(shown(file))
    for (const { code, kid, message, fix } of group) {
      lines.push(
        `  ✗ ${code}: ${message}${kid === null ? '' : ` (kid ${shown(kid)})`}`,
        `    ${fix}`,
      )
    }
  }
  return lines.join('\n')
}

/** A finding as GitHub Actions reads it from the output of a step. @see GitHub "Workflow commands" */
export function annotation({ code, file, kid, message, fix }: Told): string {
  const about = kid === null ? '' : ` (kid ${kid})`
  return `::error file=${inProperty(file)},title=${code}::${plain(`${message}${about}. ${fix}`)}`
}

/** What is no fault, in the same form. */
export const noticeAnnotation = (title: string, text: string): string =>
  `::notice title=${inProperty(title)}::${plain(text)}`

const plain = (text: string): string => shown(text).replaceAll('%', '%25')
const inProperty = (text: string): string =>
  plain(text).replaceAll(':', '%3A').replaceAll(',', '%2C')

export function checkSummary({
  findings,
  files,
  keys,
}: {
  findings: readonly Finding[]
  files: number
  keys: number
}): string {
  const counted = `${count(keys, 'key')} in ${count(files, 'file')}`
  return findings.length === 0
    ? `✓ ${counted}, nothing to complain of`
    : `${count(findings.length, 'finding')} · ${counted}`
}

export function generatedReport(made: Generated, environment: Environment, url: string): string {
  return [
    `✓ ${made.alg} key pair, ${made.bits} bits, for ${environment}`,
    `  kid      ${made.kid}`,
    `  public   ${made.file}   commit this`,
    `  private  ${made.privateFile}   only the broker reads this; back it up as a secret`,
    `  proved   for ${url}   (publisher.yaml; another URL needs another proof)`,
    'Next: commit the public file and lifecycle.json, push, and let the key be live before the broker signs with it.',
  ].join('\n')
}

export function builtReport(site: Site, { baseUrl, environments }: Settings, out: string): string {
  const lines = ENVIRONMENTS.map(environment => {
    const { path } = environments[environment]
    return `  ${environment}: ${site.has(path) ? keySetUrl(baseUrl, path) : 'no key yet, so nothing is published'}`
  })
  return [`✓ ${count(site.size, 'file')} in ${out}`, ...lines].join('\n')
}

export interface ListedKey extends Entered {
  environment: string
  created: string | null
  role: string
}

export function listedKeys(environment: string, { keys, lifecycle }: EnvironmentKeys): ListedKey[] {
  return keys.map(({ jwk, bits, thumbprint, file }) => ({
    environment,
    kid: jwk.kid,
    alg: jwk.alg,
    bits,
    thumbprint,
    created: lifecycle[thumbprint]?.created ?? null,
    role: lifecycle[thumbprint]?.role ?? 'signer',
    file,
  }))
}

export function keysTable(keys: readonly ListedKey[]): string {
  if (keys.length === 0)
    return 'No key yet. Make one: npm run -s keys -- generate --environment nonprod'
  const rows = keys.map(key => [
    key.environment,
    key.kid,
    key.alg,
    `${key.bits}`,
    key.role,
    key.created ?? '-',
    shown(key.file),
  ])
  return columns([['ENVIRONMENT', 'KID', 'ALG', 'BITS', 'ROLE', 'CREATED', 'FILE'], ...rows])
}

export function columns(rows: readonly string[][]): string {
  const widths = rows[0]?.map((_, at) => Math.max(...rows.map(row => row[at]?.length ?? 0))) ?? []
  return rows
    .map(row =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

const count = (number: number, noun: string): string =>
  `${number} ${noun}${number === 1 ? '' : 's'}`
