import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openSqliteShelf } from '../../../broker/launch/sqlite-shelf.ts'
import { movedClock } from '../../support/clock.ts'
import { folderWith } from '../../support/keys.ts'
import { shelfRules } from './shelves.ts'

function open(path = ':memory:', clock = movedClock()) {
  const shelf = openSqliteShelf(path, clock.clock)
  onTestFinished(() => {
    try {
      shelf.close()
    } catch {
      // The test has closed it.
    }
  })
  return { shelf, clock, now: clock.now }
}

describe('a file of SQLite’s', () => {
  shelfRules(async () => open())
})

test('what was put is there in the next process, and for two at once', async () => {
  const path = join(folderWith(), 'connections.db')
  const [one, other] = [open(path), open(path)]
  await one.shelf.put('a', 'one', null, one.now() + 1000)
  expect(await other.shelf.put('a', 'two', 1, one.now() + 1000)).toBe(true)
  expect(await one.shelf.put('a', 'three', 1, one.now() + 1000)).toBe(false)
  one.shelf.close()
  expect(await open(path).shelf.get('a')).toEqual({ value: 'two', version: 2 })
})

test('what is over is as good as gone, can be put anew, and leaves nothing in the file', async () => {
  const path = join(folderWith(), 'connections.db')
  const { shelf, clock, now } = open(path)
  await shelf.put('a', 'a value that is over', null, now() + 1000)
  await shelf.put('b', 'one that is not', null, now() + 60_000)
  clock.advance(2)
  expect(await shelf.get('a')).toBeNull()
  expect(await shelf.put('a', 'x', 1, now() + 1000)).toBe(false)
  await shelf.sweep()
  const bytes = readFileSync(path, 'latin1')
  expect(bytes).toContain('one that is not')
  expect(bytes).not.toContain('a value that is over')
  await shelf.put('c', 'of before', null, now() + 1000)
  clock.advance(2)
  expect(await shelf.put('c', 'anew', null, now() + 1000)).toBe(true)
})
