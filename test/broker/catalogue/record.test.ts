import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Imported, readRecord, writeRecord } from '../../../broker/catalogue/record.ts'
import { folderWith } from '../../support/keys.ts'

const imported = (id: string): Imported => ({
  ...{ id, wrote: { fhirBase: `https://${id}`, scopes: ['a'] }, foundAs: 'app', sha256: null },
})

test('a record is read as it was written, and there may be none', () => {
  const folder = folderWith({})
  expect(readRecord(folder).size).toBe(0)
  const record = new Map([
    ['https://b', imported('b')],
    ['https://a', imported('a')],
    ['__proto__', imported('c')],
  ])
  writeRecord(folder, record)
  expect(new Map(readRecord(folder))).toEqual(record)
})

test('the same hospitals in another order are the same bytes', () => {
  const folder = folderWith({})
  const text = (...ids: string[]): string => {
    writeRecord(folder, new Map(ids.map(id => [`https://${id}`, imported(id)])))
    return readFileSync(join(folder, '.import.json'), 'utf8')
  }
  expect(text('a', 'b')).toBe(text('b', 'a'))
})

describe('what is no record is refused, since all hand-made changes would be lost', () => {
  test.each([
    ['half of one', '{"version":1,'],
    ['nothing', ''],
    ['another version', '{"version":2,"upstreams":{}}'],
    ['a list', '[]'],
    ['a conflict that git left', '<<<<<<< HEAD\n{}\n'],
    [
      'a hospital without an id',
      '{"version":1,"upstreams":{"https://a":{"wrote":{},"foundAs":null,"sha256":null}}}',
    ],
  ])('%s', (_, text) => {
    const folder = folderWith({})
    writeFileSync(join(folder, '.import.json'), text)
    expect(() => readRecord(folder)).toThrowError(
      expect.objectContaining({ code: 'file_unreadable' }),
    )
  })
})
