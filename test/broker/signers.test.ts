import { expect, test } from 'vitest'
import { BrokerError } from '../../broker/errors.ts'
import type { SigningKey } from '../../broker/keys/signing-keys.ts'
import { bindSigners, signerOf } from '../../broker/signers.ts'
import { upstream } from '../support/upstream.ts'

const signingKey = (kid: string): SigningKey => ({
  ...{ kid, alg: 'ES384', thumbprint: kid, file: kid, since: 0 },
  signJwt: async () => '',
})

test('an upstream is signed for with the key of its own generation, whatever comes after', () => {
  const [first, second] = [signingKey('first'), signingKey('second')]
  const [before, after] = [upstream(), upstream()]
  bindSigners(new Map([['epic', before]]), new Map([['epic', first]]))
  bindSigners(new Map([['epic', after]]), new Map([['epic', second]]))
  expect(signerOf(before)).toBe(first)
  expect(signerOf(after)).toBe(second)
})

test('an upstream without a key is refused, and not signed for with another’s', () => {
  const alone = upstream()
  bindSigners(new Map([['epic', alone]]), new Map([['other', signingKey('other')]]))
  expect(() => signerOf(alone)).toThrow(BrokerError)
})
