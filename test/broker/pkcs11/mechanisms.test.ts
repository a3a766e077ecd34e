import { constants, privateEncrypt, sign } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { CK } from '../../../broker/pkcs11/cryptoki.ts'
import { mechanismFor } from '../../../broker/pkcs11/mechanisms.ts'
import { ALGORITHMS } from '../../../keys-pipeline/algorithms.ts'
import { rsaPair } from '../../support/keys.ts'

const INPUT = Buffer.from('what is signed')

describe('a token that hashes itself is given the input, another the digest in a DigestInfo', () => {
  test.each([
    ['RS256', CK.CKM_SHA256_RSA_PKCS],
    ['RS384', CK.CKM_SHA384_RSA_PKCS],
    ['RS512', CK.CKM_SHA512_RSA_PKCS],
  ] as const)('%s', (alg, hashing) => {
    const { privateKey } = rsaPair()
    const whole = mechanismFor(alg, [CK.CKM_RSA_PKCS, hashing], 2048)
    expect([whole?.mechanism, whole?.prepare(INPUT)]).toEqual([hashing, INPUT])
    const plain = mechanismFor(alg, [CK.CKM_RSA_PKCS], 2048)
    expect(plain?.mechanism).toBe(CK.CKM_RSA_PKCS)
    const padding = constants.RSA_PKCS1_PADDING
    const made = privateEncrypt({ key: privateKey, padding }, plain?.prepare(INPUT) ?? INPUT)
    expect(made).toEqual(sign(ALGORITHMS[alg].hash, INPUT, privateKey))
  })
})

test.each([
  ['RS384', [CK.CKM_ECDSA, CK.CKM_SHA256_RSA_PKCS]],
  ['ES384', [CK.CKM_RSA_PKCS, CK.CKM_SHA384_RSA_PKCS]],
  ['ES256', []],
] as const)('a token without a mechanism for %s has none', (alg, offered) => {
  expect(mechanismFor(alg, offered, 2048)).toBeNull()
})
