import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { expect, test } from 'vitest'
import { folderWith } from '../support/keys.ts'
import { PROJECT, run } from '../support/processes.ts'

const SOAK = join(PROJECT, 'test', 'faults', 'soak.ts')

test('in a minute of faults no token is wrong, none has less than the floor, and no record is lost', {
  timeout: 300_000,
}, async () => {
  const file = join(folderWith(), 'report.json')
  const seed = process.env['LOCKSTEP_SEED'] ?? '0'
  const args = ['--minutes', '1', '--rate', '100', '--seed', seed, '--json', file]
  const { code, stdout, stderr } = await run(SOAK, args)
  expect([code, stderr], stdout).toEqual([0, ''])
  const { answers, faults, calls, records, rows } = JSON.parse(readFileSync(file, 'utf8'))
  process.stdout.write(`a minute of faults: ${JSON.stringify(answers)}\n`)
  const kinds = ['clock', 'disk', 'ehr', 'keys', 'redis', 'reload', 'restart']
  expect(Object.keys(faults).sort()).toEqual(kinds)
  expect(answers['200']).toBeGreaterThan(1000)
  expect(records.records).toBeGreaterThan(answers['200'])
  expect(calls.failed).toBeGreaterThan(0)
  expect(rows).toContainEqual(expect.objectContaining({ what: 'soak_wrong_tokens', value: 0 }))
})

test.each([
  ['no number', ['--minutes', 'ten']],
  ['no such option', ['--hours', '1']],
])('what cannot be run is said, with exit 2: %s', async (_, args) => {
  const { code, stdout } = await run(SOAK, args)
  expect([code, stdout]).toEqual([2, expect.stringContaining('npm run soak')])
})
