import { beforeAll, describe, expect, test } from 'vitest'
import { authoritiesFault, identityFault } from '../../broker/certificates.ts'
import { makeAuthority } from '../support/certificates.ts'

let ca: string
let one: { cert: string; key: string }
let other: typeof one
beforeAll(async () => {
  const authority = await makeAuthority()
  ca = authority.ca
  one = await authority.issue()
  other = await authority.issue()
})

const JUNK = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'

describe('authorities', () => {
  test('are one certificate or several, with text around', () => {
    expect(authoritiesFault(`# ours\n${ca}\n${ca}`)).toBeNull()
  })

  test.each([
    ['nothing', () => ''],
    ['prose', () => 'hello'],
    ['junk', () => JUNK],
    ['junk after a good one', () => ca + JUNK],
  ])('are not %s', (_, pem) => {
    expect(authoritiesFault(pem())).not.toBeNull()
  })
})

describe('an identity', () => {
  test('is a certificate, its issuers, and its key', () => {
    expect(identityFault(one.cert + ca, one.key)).toBeNull()
  })

  test.each<[string, () => [string, string]]>([
    ['without a certificate', () => ['', one.key]],
    ['without a key', () => [one.cert, '']],
    ['with a junk certificate', () => [JUNK, one.key]],
    ['with a junk issuer', () => [one.cert + JUNK, one.key]],
    ['with the key of another', () => [one.cert, other.key]],
    ['with certificate and key exchanged', () => [one.key, one.cert]],
  ])('is none %s', (_, make) => {
    expect(identityFault(...make())).not.toBeNull()
  })
})
