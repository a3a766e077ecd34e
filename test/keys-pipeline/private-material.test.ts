import { describe, expect, test } from 'vitest'
import { openSource } from '../../keys-pipeline/pipeline.ts'
import {
  derLength,
  isPrivateDer,
  measure,
  privateInJson,
  privateInText,
} from '../../keys-pipeline/private-material.ts'
import { p256, rsa } from '../support/keys.ts'

const der = (pem: string): Buffer => Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64')

describe('private material is found', () => {
  test.each<[string, unknown]>([
    ['in a list in a list', [[{ d: 'x' }]]],
    [
      'in JSON in a string in JSON in a string',
      { a: JSON.stringify({ b: JSON.stringify(rsa().secret) }) },
    ],
    ['in a text around a JWK', { note: `here: ${JSON.stringify(p256().secret)} keep it` }],
    ['in the name of a member', { [rsa().privatePem]: 1 }],
  ])('%s', (_, value) => {
    expect(privateInJson(value)).not.toEqual([])
  })

  test('after something else in DER, and not where there is none', () => {
    const [open, secret] = [der(rsa().pem), der(p256().privatePem)]
    expect(isPrivateDer(Buffer.concat([open, open, secret]))).toBe(true)
    expect(isPrivateDer(Buffer.concat([open, open]))).toBe(false)
  })
})

test('a public key, prose and broken JSON hold nothing private', () => {
  for (const text of [rsa().pem, JSON.stringify(rsa().jwk), 'a {b} [c]', '{"d":'])
    expect(privateInText(text)).toEqual([])
})

test.each([
  [[0x30, 3, 1, 2, 3, 9, 9], 5],
  [[0x30, 0x81, 2, 1, 2, 9], 5],
  [[0x30, 0x82, 0, 1, 7, 9], 5],
  [[0x30, 9, 1], 3],
  [[0x30, 0x80, 1], 3],
  [[0x30, 0x85, 1], 3],
  [[0x30], 1],
])('the length of the DER value %j is %i', (bytes, expected) => {
  expect(derLength(Buffer.from(bytes))).toBe(expected)
})

test('members and depth are counted in the text, strings left out', () => {
  expect(measure('{"a":{"b":["}{",{"c\\"":1}]}}')).toEqual({ members: 3, depth: 4 })
})

describe('a hostile file is judged at once and never crashes', () => {
  const judge = (bytes: Buffer) => openSource({ file: 'f', folder: '.', bytes })
  const quotes = `{"${'\\"'.repeat(100_000)}}`

  test.each<[string, () => Buffer]>([
    ['half a megabyte of DER values of nothing', () => Buffer.from('3000'.repeat(250_000), 'hex')],
    [
      'DER values of nothing in a PEM',
      () => {
        const body = Buffer.from('3000'.repeat(250_000), 'hex').toString('base64')
        return Buffer.from(`-----BEGIN PUBLIC KEY-----\n${body}\n-----END PUBLIC KEY-----\n`)
      },
    ],
    ['escaped quotes without end beside a PEM', () => Buffer.from(rsa().pem + quotes)],
    [
      'escaped quotes without end in a string',
      () => Buffer.from(JSON.stringify({ ...rsa().jwk, quotes })),
    ],
    ['open brackets without end beside a PEM', () => Buffer.from(rsa().pem + '[{'.repeat(400_000))],
    ['open and closed brackets beside a PEM', () => Buffer.from(rsa().pem + '[]'.repeat(400_000))],
    [
      'JSON in a string with deep nesting',
      () =>
        Buffer.from(JSON.stringify({ ...rsa().jwk, a: `${'['.repeat(4e5)}${']'.repeat(4e5)}` })),
    ],
    [
      'a list of empty strings',
      () => Buffer.from(JSON.stringify({ ...rsa().jwk, a: Array(300_000).fill('') })),
    ],
  ])('%s', { timeout: 5000 }, (_, make) => {
    const { keys, findings } = judge(make())
    expect(keys.length + findings.length).toBeGreaterThan(0)
  })
})
