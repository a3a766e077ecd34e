import { expect, test } from 'vitest'
import type { Shelf } from '../../../broker/launch/shelf.ts'

/** What every shelf keeps to, on a fresh one whose clock can be moved, or which goes by the machine's. */
export function shelfRules(open: () => Promise<{ shelf: Shelf; now: () => number }>): void {
  test('what is put is found, with a version that counts how often it was written', async () => {
    const { shelf, now } = await open()
    expect(await shelf.get('a')).toBeNull()
    expect(await shelf.put('a', 'one', null, now() + 60_000)).toBe(true)
    expect(await shelf.get('a')).toEqual({ value: 'one', version: 1 })
    expect(await shelf.put('a', 'two', 1, now() + 60_000)).toBe(true)
    expect(await shelf.get('a')).toEqual({ value: 'two', version: 2 })
  })

  test('of several who write over one version, one does', async () => {
    const { shelf, now } = await open()
    await shelf.put('a', 'start', null, now() + 60_000)
    const written = await Promise.all(
      Array.from({ length: 10 }, (_, at) => shelf.put('a', `${at}`, 1, now() + 60_000)),
    )
    expect(written.filter(Boolean)).toHaveLength(1)
    expect(await shelf.get('a')).toEqual({ value: `${written.indexOf(true)}`, version: 2 })
  })

  test('what is there is not put anew, and what is gone is not written over', async () => {
    const { shelf, now } = await open()
    await shelf.put('a', 'one', null, now() + 60_000)
    expect(await shelf.put('a', 'two', null, now() + 60_000)).toBe(false)
    await shelf.remove('a')
    expect(await shelf.put('a', 'two', 1, now() + 60_000)).toBe(false)
    expect(await shelf.get('a')).toBeNull()
  })

  test('all is told, with until when it is kept', async () => {
    const { shelf, now } = await open()
    const until = Math.ceil(now() + 60_000)
    const names = Array.from({ length: 250 }, (_, at) => `key:${String(at).padStart(3, '0')}`)
    await Promise.all(names.map(name => shelf.put(name, `value of ${name}`, null, until)))
    const found = new Map<string, object>()
    for await (const { key, ...row } of shelf.all()) found.set(key, row)
    expect([...found.keys()].sort()).toEqual(names)
    expect(found.get('key:007')).toEqual({ value: 'value of key:007', version: 1, until })
  })
}
