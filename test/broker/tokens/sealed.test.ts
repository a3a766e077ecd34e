import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sealWith } from '../../../broker/tokens/sealed.ts'

const nonce = () => randomBytes(12)
const [OLD, NEW] = [randomBytes(32), randomBytes(32)]

test('what is sealed opens again under its name, whatever it is', () => {
  const { seal, open } = sealWith([OLD], nonce)
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (text, name) => {
      expect(open(seal(text, name), name)).toBe(text)
    }),
  )
})

test('neither the text nor the name shows, and the same text looks different each time', () => {
  const { seal } = sealWith([OLD], nonce)
  const sealed = seal('the text itself', 'the name')
  const bytes = Buffer.from(sealed, 'base64url').toString('latin1')
  expect(bytes).not.toMatch(/text|name/)
  expect(seal('the text itself', 'the name')).not.toBe(sealed)
})

describe('does not open', () => {
  const { seal, open } = sealWith([OLD], nonce)
  const sealed = seal('text', 'name')

  test('under another name', () => {
    expect(open(sealed, 'another')).toBeNull()
  })

  test('with another secret', () => {
    expect(sealWith([NEW], nonce).open(sealed, 'name')).toBeNull()
  })

  test('with one bit changed, wherever it is', () => {
    const { length } = Buffer.from(sealed, 'base64url')
    for (let at = 0; at < length * 8; at++) {
      const bytes = Buffer.from(sealed, 'base64url')
      bytes[at >> 3] = (bytes[at >> 3] ?? 0) ^ (1 << (at & 7))
      expect(open(bytes.toString('base64url'), 'name'), `bit ${at}`).toBeNull()
    }
  })

  test('when it is cut short', () => {
    const bytes = Buffer.from(sealed, 'base64url')
    for (let length = 0; length < bytes.length; length++)
      expect(open(bytes.subarray(0, length).toString('base64url'), 'name')).toBeNull()
  })

  test.each([
    ['nothing', ''],
    ['text of somebody else', 'hello'],
    ['letters of no alphabet', '…!'],
  ])('%s', (_, text) => {
    expect(open(text, 'name')).toBeNull()
  })
})

test('while a secret is replaced, both brokers read what either has written', () => {
  const before = sealWith([OLD, NEW], nonce)
  const after = sealWith([NEW, OLD], nonce)
  expect(after.open(before.seal('a', 'n'), 'n')).toBe('a')
  expect(before.open(after.seal('b', 'n'), 'n')).toBe('b')
  expect(sealWith([NEW], nonce).open(after.seal('c', 'n'), 'n')).toBe('c')
  expect(sealWith([NEW], nonce).open(before.seal('d', 'n'), 'n')).toBeNull()
})

test('without a secret there is nothing to seal with', () => {
  expect(() => sealWith([], nonce)).toThrow(TypeError)
})
