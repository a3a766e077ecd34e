import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { freeId, idFrom } from '../../../broker/catalogue/ids.ts'
import { UPSTREAM_ID } from '../../../broker/config-schema.ts'

describe('an id is made of a name', () => {
  test.each([
    ['Saint Nowhere Hospital', 'saint-nowhere-hospital'],
    ['St. Example’s  (North)', 'st-examples-north'],
    ['Universitätsklinikum Nirgendwo', 'universitatsklinikum-nirgendwo'],
    ['  --A&B--  ', 'a-b'],
    ['../../etc/passwd', 'etc-passwd'],
    ['x'.repeat(100), 'x'.repeat(64)],
    [`${'x'.repeat(63)} y`, 'x'.repeat(63)],
    ['病院', null],
    ['', null],
  ])('%j', (name, id) => {
    expect(idFrom(name)).toBe(id)
  })
})

test('the first name that makes one is taken, and a number is put behind what is taken', () => {
  expect(freeId(['病院', 'ehr.example.com'], () => false)).toBe('ehr-example-com')
  expect(freeId(['病院'], () => false)).toBe('ehr')
  expect(freeId(['Mercy'], id => ['mercy', 'mercy-2'].includes(id))).toBe('mercy-3')
  const long = 'x'.repeat(64)
  expect(freeId([long], id => id === long)).toBe(`${'x'.repeat(62)}-2`)
})

test('whatever the names, an id is one that the config takes, and not taken', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' })), fc.nat(20), (names, taken) => {
      const ids = new Set<string>()
      for (let at = 0; at <= taken; at++) {
        const id = freeId(names, each => ids.has(each))
        expect(id).toMatch(new RegExp(UPSTREAM_ID))
        expect(ids.has(id)).toBe(false)
        ids.add(id)
      }
    }),
  )
})
