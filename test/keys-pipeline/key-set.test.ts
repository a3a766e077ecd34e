import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type PublicKey, toPublicKey } from '../../keys-pipeline/jwk.ts'
import {
  inOrder,
  judgeAcross,
  judgeKeySet,
  MOST_KEYS,
  serializeKeySet,
} from '../../keys-pipeline/key-set.ts'
import { ecJwk, type Jwk } from '../support/keys.ts'

const key = (jwk: Jwk, file = 'file'): PublicKey => {
  const { key: made } = toPublicKey(jwk, file)
  if (made === null) throw new Error('not a key')
  return made
}
const codes = (keys: PublicKey[]) => judgeKeySet(keys, 'set').map(each => [each.code, each.file])
const [one, two] = [ecJwk('P-256', 1), ecJwk('P-256', 2)]

describe('a set is refused for', () => {
  test('one key twice, whatever its kid', () => {
    expect(codes([key(one, 'a'), key({ ...one, kid: 'other' }, 'b')])).toEqual([['key_twice', 'b']])
  })

  test('one kid twice', () => {
    expect(codes([key({ ...one, kid: 'k' }, 'a'), key({ ...two, kid: 'k' }, 'b')])).toEqual([
      ['kid_duplicate', 'b'],
    ])
  })

  test('more than 100 keys', () => {
    const base = key(one)
    const many = (count: number) =>
      Array.from({ length: count }, (_, at) => ({
        ...base,
        thumbprint: `${at}`,
        jwk: { ...base.jwk, kid: `${at}` },
      }))
    expect(codes(many(MOST_KEYS))).toEqual([])
    expect(codes(many(MOST_KEYS + 1))).toEqual([['too_many_keys', 'set']])
  })
})

test('a key in both environments is refused, whatever its kid', () => {
  const found = judgeAcross([key(one, 'p')], [key({ ...one, kid: 'other' }, 'n'), key(two, 'm')])
  expect(found.map(each => [each.code, each.file])).toEqual([['key_in_both_environments', 'n']])
})

test('the same keys in any order are the same bytes', () => {
  const keys = ['a', 'B', 'z', '0', '~'].map((kid, at) => key({ ...ecJwk('P-256', at), kid }))
  fc.assert(
    fc.property(
      fc.shuffledSubarray(keys, { minLength: keys.length }),
      shuffled => serializeKeySet(shuffled) === serializeKeySet(keys),
    ),
  )
  expect(inOrder(keys).map(each => each.jwk.kid)).toEqual(['0', 'B', 'a', 'z', '~'])
})
