import { globSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { describe, expect, test } from 'vitest'
import { PROJECT } from '../support/processes.ts'
import { type Arrow, arrows, codeOf, importsOf, linesOf, sourceFiles } from './source.ts'

const all = arrows()
const values = all.filter(arrow => !arrow.isType)
const shown = (found: Arrow[]) => found.map(({ from, to }) => `${from} → ${to}`)

const FRONT_DOORS = ['keys-pipeline/cli.ts', 'broker/cli.ts', 'broker/main.ts']
const LEAVES = [
  'keys-pipeline/errors.ts',
  'keys-pipeline/algorithms.ts',
  'broker/errors.ts',
  'broker/key-errors.ts',
  'broker/fhir-errors.ts',
  'broker/launch-errors.ts',
  'broker/clock.ts',
  'broker/scopes.ts',
  'broker/profiles.ts',
  'keys-pipeline/words.ts',
  'broker/patterns.ts',
  'broker/alarm-table.ts',
  'broker/caller-keys.ts',
]
const PURE = [
  'keys-pipeline/render.ts',
  'keys-pipeline/page.ts',
  'keys-pipeline/html.ts',
  'keys-pipeline/policy.ts',
  'keys-pipeline/doctor/examine.ts',
  'keys-pipeline/doctor/judge-answer.ts',
  'broker/diagnosis/diagnose.ts',
  'broker/diagnosis/causes.ts',
  ...[
    'sightings',
    'proof',
    'records',
    'waves',
    'rotation',
    'retirement',
    'plan',
    'key-states',
    'road',
    'known-keys',
    'replicas',
  ].map(name => `broker/keys/${name}.ts`),
]
/**
 * What of keys-pipeline/ the broker may know: the key model, how keys are made and vouched for, the reader of the live
 * set, proposals to the publisher, how outside text is shown, what both command lines do alike.
 */
const HATCH = [
  'algorithms',
  'jwk',
  'key-set',
  'published',
  'errors',
  'words',
  'doctor/caching',
  'key-pair',
  'statements',
  'lifecycle',
  'github/client',
  'github/key-changes',
  'github/proposal',
  'github/pulls',
  'github/record',
  'front',
  'keep-compiled',
  'html',
].map(name => `keys-pipeline/${name}.ts`)
const ROOMS = [
  'access',
  'tokens',
  'upstream',
  'keys',
  'pkcs11',
  'http',
  'diagnosis',
  'catalogue',
  'launch',
].map(name => `broker/${name}`)

/** The assembly: app.ts, and what it shares with the commands. */
const ASSEMBLY = ['app', 'signers', 'examine-upstream', 'key-work', 'fhir-work', 'launch-work'].map(
  name => `broker/${name}.ts`,
)

const roomOf = (file: string): string | undefined => ROOMS.find(room => file.startsWith(`${room}/`))

test('there is something to draw', () => {
  expect(values.length).toBeGreaterThan(50)
})

test('nothing imports a front door', () => {
  expect(shown(all.filter(({ to }) => FRONT_DOORS.includes(to)))).toEqual([])
})

test('only front doors know the process', () => {
  const knowing = sourceFiles().filter(
    file =>
      importsOf(file).some(each => /^(node:)?process$/.test(each.specifier)) ||
      /\bprocess\./.test(codeOf(file)),
  )
  expect(knowing.sort()).toEqual([...FRONT_DOORS].sort())
})

test('the assembly alone, and the operator’s commands, import from rooms; between rooms only types go', () => {
  const crossing = values.filter(({ from, to }) => {
    const [here, there] = [roomOf(from), roomOf(to)]
    if (there === undefined || here === there) return false
    return !ASSEMBLY.includes(from) && !from.startsWith('broker/commands/')
  })
  expect(shown(crossing)).toEqual([])
})

/** The table of errors is in several files, since one would be too long. */
const PARTS_OF_A_LEAF = ['fhir-errors', 'key-errors', 'launch-errors'].map(
  name => `broker/errors.ts → broker/${name}.ts`,
)

test('leaves import nothing of ours when they run', () => {
  const beyond = shown(values.filter(({ from }) => LEAVES.includes(from)))
  expect(beyond).toEqual(PARTS_OF_A_LEAF)
})

test('the publisher never imports the broker, and the broker only the key model', () => {
  expect(
    shown(
      all.filter(({ from, to }) => from.startsWith('keys-pipeline/') && to.startsWith('broker/')),
    ),
  ).toEqual([])
  const through = all.filter(
    ({ from, to }) => from.startsWith('broker/') && to.startsWith('keys-pipeline/'),
  )
  expect(shown(through.filter(({ to }) => !HATCH.includes(to)))).toEqual([])
})

test('source imports neither tests nor templates', () => {
  expect(shown(all.filter(({ to }) => /^(test|site)\//.test(to)))).toEqual([])
})

test('there are no cycles', () => {
  const next = Map.groupBy(values, arrow => arrow.from)
  const cycles: string[] = []
  const walk = (file: string, path: string[]): void => {
    if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' → '))
    else for (const { to } of next.get(file) ?? []) walk(to, [...path, file])
  }
  for (const file of sourceFiles()) walk(file, [])
  expect(cycles).toEqual([])
})

describe.each(PURE)('%s is pure', file => {
  test('and imports nothing that reaches the outside', () => {
    const outside = importsOf(file)
      .filter(({ specifier }) => !specifier.startsWith('.'))
      .map(({ specifier }) => specifier)
    expect(outside.filter(specifier => specifier !== 'node:crypto')).toEqual([])
    expect(codeOf(file)).not.toMatch(/Date\.now|new Date\(\)|Math\.random|random[A-Z]/)
  })
})

test('no file only passes on what others export, and none exports a default', () => {
  for (const file of sourceFiles()) {
    expect(codeOf(file), file).not.toMatch(/^export (\*|\{[^}]*\}) from|^export default/m)
  }
})

test('no source file is longer than 300 lines', () => {
  expect(sourceFiles().filter(file => linesOf(file) > 300)).toEqual([])
})

test('every source file that runs has tests of its own name', () => {
  /** Types and tables that run only as part of another file; the commands are tested through the front door. */
  const without = new Set([
    'broker/upstream/upstream.ts',
    'broker/diagnosis/facts.ts',
    'broker/broker.ts',
    'broker/config-schema.ts',
    'broker/examine-upstream.ts',
    'broker/fhir-errors.ts',
    'broker/fhir-work.ts',
    'broker/key-errors.ts',
    'broker/key-work.ts',
    'broker/launch-errors.ts',
    'broker/launch/shelf.ts',
    'broker/metrics-table.ts',
    'broker/alarm-table.ts',
    'broker/keys/key-facts.ts',
    'broker/keys/state.ts',
    'broker/tokens/shared-store.ts',
    'keys-pipeline/report.ts',
    'keys-pipeline/doctor/checks.ts',
    'keys-pipeline/doctor/evidence.ts',
  ])
  const tests = new Set(sourceTests())
  const missing = sourceFiles().filter(
    file =>
      !without.has(file) &&
      !/^(keys-pipeline|broker)\/commands\//.test(file) &&
      !tests.has(`${dirname(file)}/${basename(file, '.ts')}`),
  )
  expect(missing).toEqual([])
})

function sourceTests(): string[] {
  return globSync('test/{keys-pipeline,broker}/**/*.test.ts', { cwd: PROJECT }).map(file =>
    file.slice('test/'.length, -'.test.ts'.length),
  )
}
