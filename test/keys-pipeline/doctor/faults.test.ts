import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FAULTS, type FaultName } from '../../../keys-pipeline/doctor/faults.ts'
import { CODES } from '../../../keys-pipeline/errors.ts'

const names = Object.keys(FAULTS) as FaultName[]

test('no code means two things', () => {
  expect(names.filter(name => Object.hasOwn(CODES, name))).toEqual([])
})

test('every fault is shown by a test, in a table or in one of its own', () => {
  const tests = ['examine', 'judge-way', 'judge-answer', 'judge-keys', 'foreign-servers']
    .map(name => readFileSync(join(import.meta.dirname, `${name}.test.ts`), 'utf8'))
    .join('\n')
  expect(names.filter(name => !tests.includes(`'${name}'`))).toEqual([])
})
