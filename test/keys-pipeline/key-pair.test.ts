import { expect, test } from 'vitest'
import { ALGORITHMS, ALGS } from '../../keys-pipeline/algorithms.ts'
import { thumbprint, toPublicKey } from '../../keys-pipeline/jwk.ts'
import { newPair, newPairBeside } from '../../keys-pipeline/key-pair.ts'

test('a thumbprint never begins with a hyphen, which every command would take for an option', async () => {
  const many = Array.from({ length: 300 })
  const pairs = [
    ...many.map(() => newPair('ES256', 0)),
    ...(await Promise.all(many.map(() => newPairBeside('ES256', 0)))),
  ]
  const kids = pairs.map(({ publicKey }) =>
    thumbprint({ ...publicKey.export({ format: 'jwk' }) }, 'EC'),
  )
  expect(kids.filter(kid => kid.startsWith('-'))).toEqual([])
  expect(new Set(kids).size).toBe(kids.length)
})

test.each(ALGS)('a pair made beside other work is one that %s signs with', async alg => {
  const { publicKey } = await newPairBeside(alg, 2048)
  const { key, findings } = toPublicKey({ ...publicKey.export({ format: 'jwk' }) }, 'key', { alg })
  expect(findings).toEqual([])
  expect(key?.jwk).toMatchObject({ alg, kty: ALGORITHMS[alg].kty })
})
