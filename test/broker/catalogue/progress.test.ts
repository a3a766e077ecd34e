import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { lookAtProgress, type Outcome, openProgress } from '../../../broker/catalogue/progress.ts'
import { folderWith } from '../../support/keys.ts'

let folder: string
let file: string
beforeEach(() => {
  folder = folderWith({})
  file = join(folder, '.import-progress.ndjson')
})

const FOUND = { tokenEndpoint: 'https://a/token' }
const SILENT = { cause: 'no answer' }

function interrupted(again = false): void {
  const progress = openProgress(folder, 'question', again)
  progress.add('https://a', FOUND)
  progress.add('https://b', SILENT)
}

test('what was answered before an interruption is known', () => {
  expect(openProgress(folder, 'question', false).known.size).toBe(0)
  interrupted()
  const known = new Map<string, Outcome>([
    ['https://a', FOUND],
    ['https://b', SILENT],
  ])
  expect(openProgress(folder, 'question', false).known).toEqual(known)
  expect(openProgress(folder, 'question', false).known).toEqual(known)
})

test('half a line is no answer, and what is added behind it is', () => {
  interrupted()
  truncateSync(file, readFileSync(file).length - 5)
  const progress = openProgress(folder, 'question', false)
  expect([...progress.known.keys()]).toEqual(['https://a'])
  progress.add('https://c', FOUND)
  expect([...openProgress(folder, 'question', false).known.keys()]).toEqual([
    'https://a',
    'https://c',
  ])
})

test('lines that are no answers are none', () => {
  interrupted()
  appendFileSync(file, '{}\nnull\n[1]\n{"fhirBase":7,"cause":"x"}\n{"fhirBase":"https://d"}\n')
  expect(openProgress(folder, 'question', false).known.size).toBe(2)
})

test('another question, or asking all again, begins anew', () => {
  interrupted()
  expect(openProgress(folder, 'other', false).known.size).toBe(0)
  interrupted()
  expect(openProgress(folder, 'question', true).known.size).toBe(0)
})

test('an interrupted import that asked all again goes on asking all', () => {
  interrupted(true)
  expect(openProgress(folder, 'question', false)).toMatchObject({ again: true })
  expect(openProgress(folder, 'other', false)).toMatchObject({ again: false })
})

test('at the end nothing is left', () => {
  const progress = openProgress(folder, 'question', false)
  progress.add('https://a', FOUND)
  progress.end()
  expect(existsSync(file)).toBe(false)
})

test('to look at it writes nothing', () => {
  const looked = lookAtProgress(folder, 'question', false)
  looked.add('https://a', FOUND)
  expect([looked.known.size, existsSync(file)]).toEqual([0, false])
  interrupted()
  const before = readFileSync(file, 'utf8')
  const other = lookAtProgress(folder, 'question', false)
  other.add('https://c', FOUND)
  other.end()
  expect([other.known.size, readFileSync(file, 'utf8')]).toEqual([2, before])
  expect(lookAtProgress(folder, 'question', true).known.size).toBe(0)
})
