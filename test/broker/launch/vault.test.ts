import { randomBytes } from 'node:crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openSqliteShelf } from '../../../broker/launch/sqlite-shelf.ts'
import { openVault } from '../../../broker/launch/vault.ts'
import { sealWith } from '../../../broker/tokens/sealed.ts'
import { movedClock } from '../../support/clock.ts'

const [OLD, NEW] = [randomBytes(32), randomBytes(32)]
const { clock, now } = movedClock()
const LATER = now() + 60_000

function open(shelf: ReturnType<typeof openSqliteShelf>, ...secrets: Buffer[]) {
  let unreadable = 0
  const seal = sealWith(secrets, () => randomBytes(12), 'connections')
  const vault = openVault(shelf, seal, () => void unreadable++)
  return { vault, unreadable: () => unreadable }
}

function shelfOf() {
  const shelf = openSqliteShelf(':memory:', clock)
  onTestFinished(() => shelf.close())
  return shelf
}

test('what lies in the store says nothing, and cannot be put under another name', async () => {
  const shelf = shelfOf()
  const { vault, unreadable } = open(shelf, OLD)
  await vault.put('connection:a', 'the text itself', null, LATER)
  const row = await shelf.get('connection:a')
  expect(Buffer.from(row?.value ?? '', 'base64url').toString('latin1')).not.toContain('text')
  expect(await vault.get('connection:a')).toEqual({ text: 'the text itself', version: 1 })
  await shelf.put('connection:b', row?.value ?? '', null, LATER)
  expect([await vault.get('connection:b'), unreadable()]).toEqual([null, 1])
})

describe('a seal key that is replaced', () => {
  test('still opens what it sealed, until all of that is sealed with the new one', async () => {
    const shelf = shelfOf()
    await open(shelf, OLD).vault.put('a', 'x', null, LATER)
    const { vault } = open(shelf, NEW, OLD)
    expect((await vault.get('a'))?.text).toBe('x')
    expect(await open(shelf, NEW).vault.get('a')).toBeNull()
    await vault.tidy()
    expect((await open(shelf, NEW).vault.get('a'))?.text).toBe('x')
    expect(await open(shelf, OLD).vault.get('a')).toBeNull()
  })

  test('changes nothing of what was sealed with the new one already, nor what nobody can open', async () => {
    const shelf = shelfOf()
    await open(shelf, NEW).vault.put('a', 'x', null, LATER)
    await open(shelf, randomBytes(32)).vault.put('b', 'x', null, LATER)
    const before = [await shelf.get('a'), await shelf.get('b')]
    await open(shelf, NEW, OLD).vault.tidy()
    expect([await shelf.get('a'), await shelf.get('b')]).toEqual(before)
  })
})

test('a store that fails is told by one code, and not by its own words', async () => {
  const shelf = openSqliteShelf(':memory:', clock)
  const { vault } = open(shelf, OLD)
  shelf.close()
  for (const work of [
    vault.get('a'),
    vault.put('a', 'x', null, LATER),
    vault.remove('a'),
    vault.tidy(),
  ])
    await expect(work).rejects.toMatchObject({ code: 'connection_store_failed' })
})
