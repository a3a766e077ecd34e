import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { ALARMS } from '../../broker/alarm-table.ts'
import { ConfigSchema } from '../../broker/config-schema.ts'
import { CAUSES } from '../../broker/diagnosis/causes.ts'
import { ERRORS } from '../../broker/errors.ts'
import { METRICS } from '../../broker/metrics-table.ts'
import { PROFILES } from '../../broker/profiles.ts'
import { FAULTS } from '../../keys-pipeline/doctor/faults.ts'
import { CODES } from '../../keys-pipeline/errors.ts'
import { BROKER_CLI, KEYS_CLI, PROJECT, run } from '../support/processes.ts'
import { makeWorld } from '../support/world.ts'

const read = (file: string): string => readFileSync(join(PROJECT, file), 'utf8')
const manuals = [
  'README.md',
  'keys-pipeline/README.md',
  'broker/README.md',
  'broker/LAUNCH.md',
  'SECURITY.md',
  'CHANGELOG.md',
]

/** The rows of the tables under a heading, as cells. */
function rows(file: string, heading: string): string[][] {
  const section =
    read(file)
      .split(/^## /m)
      .find(part => part.startsWith(`${heading}\n`)) ?? ''
  return section
    .split('\n')
    .filter(line => line.startsWith('| '))
    .map(line =>
      line
        .split('|')
        .slice(1, -1)
        .map(cell => cell.trim()),
    )
    .slice(1)
}

interface AlertRule {
  alert: string
  labels: { severity: string }
  annotations: { action: string }
}

const names = (cells: string[][]): string[] =>
  cells.flatMap(([first = '']) => [...first.matchAll(/`([^`]+)`/g)].map(match => match[1] ?? ''))

describe('the manuals and the code name the same', () => {
  test('finding codes', () => {
    expect(names(rows('keys-pipeline/README.md', 'Findings')).sort()).toEqual(
      Object.keys(CODES).sort(),
    )
  })

  test('what the doctor says, with its level and what to do', () => {
    const written = rows('keys-pipeline/README.md', 'What the doctor says').map(
      ([code = '', level, , fix]) => [code.replaceAll('`', ''), level, fix],
    )
    const known = Object.entries(FAULTS).map(([code, { level, fix }]) => [code, level, fix])
    expect(written).toEqual(known)
  })

  test('error codes, with their status and OAuth error', () => {
    const written = rows('broker/README.md', 'Codes').map(([code = '', status, oauth]) => [
      code.replaceAll('`', ''),
      status,
      oauth,
    ])
    const known = Object.entries(ERRORS).map(([code, { status, oauth }]) => [
      code,
      `${status}`,
      oauth,
    ])
    expect(written).toEqual(known)
  })

  test('why an EHR says no, with who acts and what to do', () => {
    const written = rows('broker/README.md', 'When an EHR says no').map(([code = '', ...told]) => [
      code.replaceAll('`', ''),
      ...told,
    ])
    const known = Object.entries(CAUSES).map(([code, { who, means, fix }]) => [
      ...[code, who, means, fix],
    ])
    expect(written).toEqual(known)
  })

  test('metrics, with their type, labels and meaning', () => {
    const written = rows('broker/README.md', 'Metrics').map(([name = '', type, labels, means]) => [
      ...[name.replaceAll('`', ''), type, labels?.replaceAll('`', ''), means],
    ])
    const known = Object.entries(METRICS).map(([name, { type, labels, help }]) => [
      ...[name, type, labels.join(', '), help],
    ])
    expect(written).toEqual(known)
  })

  test('alerts, with how soon somebody should look and what to do', () => {
    const { groups } = parse(read('broker/deploy/alerts.yaml')) as {
      groups: { rules: AlertRule[] }[]
    }
    const known = (groups[0]?.rules ?? []).map(rule => [
      ...[rule.alert, rule.labels.severity, rule.annotations.action],
    ])
    expect(known.length).toBeGreaterThan(0)
    expect(
      rows('broker/README.md', 'Alerts').map(([name = '', ...told]) => [
        ...[name.replaceAll('`', ''), ...told],
      ]),
    ).toEqual(known)
  })

  test('alarms about keys, with what they mean', () => {
    const written = rows('broker/README.md', 'Which key signs').map(([code = '', means]) => [
      ...[code.replaceAll('`', ''), means],
    ])
    expect(written).toEqual(Object.entries(ALARMS))
  })

  test('settings', () => {
    expect(names(rows('broker/README.md', 'Settings')).sort()).toEqual(
      settings(ConfigSchema).sort(),
    )
  })

  test('vendor profiles', () => {
    for (const name of Object.keys(PROFILES))
      expect(read('broker/README.md')).toContain(`\`${name}\``)
  })

  test('audit fields, as a real record has them', async () => {
    const world = await makeWorld()
    await world.ask()
    const [record] = await world.audit()
    await world.close()
    expect(names(rows('broker/README.md', 'Audit').map(([first = '']) => [first])).sort()).toEqual(
      Object.keys(record ?? {}).sort(),
    )
  })

  test.each([
    ['keys-pipeline/README.md', "The custodian's manual", KEYS_CLI],
    ['broker/README.md', "The operator's manual", BROKER_CLI],
  ])('commands: %s', async (file, _, cli) => {
    const { stdout } = await run(cli, ['--help'])
    const offered = [...stdout.matchAll(/^ {2}([a-z][a-z-]+)\b/gm)]
      .map(match => match[1])
      .filter(name => name !== 'help')
    const table = read(file).split('\n## ')[0] ?? ''
    const written = [...table.matchAll(/^\| `([a-z-]+)`/gm)].map(match => match[1])
    expect(written).toEqual(expect.arrayContaining(offered))
    expect(offered).toEqual(expect.arrayContaining(written))
  })
})

describe.each(manuals)('%s', file => {
  test('links to what exists', () => {
    const links = [...read(file).matchAll(/\]\(([^)#]+)\)/g)]
      .map(match => match[1] ?? '')
      .filter(link => !/^https?:/.test(link))
    expect(links.filter(link => !existsSync(join(PROJECT, dirname(file), link)))).toEqual([])
  })

  test('names scripts that package.json has', () => {
    const { scripts } = JSON.parse(read('package.json'))
    const named = [...read(file).matchAll(/npm run (?:-s )?([a-z][a-z:-]*)/g)].map(
      match => match[1] ?? '',
    )
    expect(named.filter(name => !Object.hasOwn(scripts, name))).toEqual([])
  })
})

test('the README is under 150 lines', () => {
  expect(read('README.md').split('\n').length).toBeLessThan(150)
})

test('every fix that a finding prints names commands that exist', async () => {
  const { stdout } = await run(KEYS_CLI, ['--help'])
  const named = Object.values(CODES).flatMap(fix =>
    [...fix.matchAll(/npm run -s keys -- ([a-z]+)/g)].map(match => match[1] ?? ''),
  )
  expect(named.length).toBeGreaterThan(5)
  for (const name of named) expect(stdout).toMatch(new RegExp(`^ {2}${name}\\b`, 'm'))
})

/** The paths of a schema's leaves; the ids of records are written `<id>`, and lists are not counted. */
function settings(schema: object, path: string[] = []): string[] {
  const { properties, patternProperties, items, anyOf } = schema as Record<
    string,
    Record<string, object> | undefined
  >
  // Where a word may stand in the place of an object, the object is described.
  const inner = Object.values(anyOf ?? {}).find(each => 'properties' in each)
  if (inner) return settings(inner, path)
  if (properties)
    return Object.entries(properties).flatMap(([name, inner]) => settings(inner, [...path, name]))
  if (patternProperties)
    return Object.values(patternProperties).flatMap(inner => settings(inner, [...path, '<id>']))
  if (items && 'properties' in items) return settings(items, path)
  return [path.join('.')]
}
