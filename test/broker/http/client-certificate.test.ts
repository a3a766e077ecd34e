import { X509Certificate } from 'node:crypto'
import { Socket } from 'node:net'
import { beforeAll, describe, expect, test } from 'vitest'
import { certificateOf, readCertificate } from '../../../broker/http/client-certificate.ts'
import { makeAuthority } from '../../support/certificates.ts'

const SVID = 'spiffe://example.org/ns/prod/sa/billing'

let certificate: X509Certificate
beforeAll(async () => {
  const authority = await makeAuthority()
  const { cert } = await authority.issue({ names: ['Billing.Internal'], uris: [SVID] })
  certificate = new X509Certificate(cert)
})

test('a certificate is read for its DNS names, in lower case, its URIs as they are, and its dates', () => {
  expect(readCertificate(certificate)).toEqual({
    names: ['DNS:billing.internal', `URI:${SVID}`],
    notBefore: Date.UTC(2020, 0, 1),
    notAfter: Date.UTC(2099, 0, 1),
  })
})

describe('a connection has one', () => {
  const socket = (authorized: boolean, shown: X509Certificate | undefined): Socket =>
    Object.assign(new Socket(), { authorized, getPeerX509Certificate: () => shown })

  test('where our authorities vouch for it', () => {
    expect(certificateOf(socket(true, certificate))?.names).toContain(`URI:${SVID}`)
  })

  test.each<[string, () => Socket]>([
    ['without TLS', () => new Socket()],
    ['of a stranger', () => socket(false, certificate)],
    ['resumed without a certificate, which Node calls authorised', () => socket(true, undefined)],
  ])('but not %s', (_, made) => {
    expect(certificateOf(made())).toBeNull()
  })
})

describe('what would pass for another name is no name', () => {
  const names = (subjectAltName: string | undefined) =>
    readCertificate({
      ...{ subjectAltName, validFromDate: new Date(0), validToDate: new Date(0) },
    } as X509Certificate).names
  test.each([
    [
      'a quoted name (CVE-2021-44532)',
      'DNS:"a.example\\u002c DNS:evil.example"',
      ['DNS:"a.example\\u002c dns:evil.example"'],
    ],
    ['a name with a comma that is not quoted', 'DNS:a,b', []],
    ['no separator', 'DNS:a DNS:b', ['DNS:a dns:b']],
    ['other kinds', 'IP Address:127.0.0.1, email:a@example, DNS:a', ['DNS:a']],
    ['nothing', undefined, []],
  ])('%s', (_, written, expected) => {
    expect(names(written)).toEqual(expected)
  })
})
