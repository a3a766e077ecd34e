import { expect, test } from 'vitest'
import { serviceInCertificate } from '../../../broker/access/client-certificate.ts'
import { accessOf, codeOf } from '../../support/callers.ts'
import { movedClock } from '../../support/clock.ts'

const SVID = 'URI:spiffe://example.org/ns/prod/sa/billing'
const access = accessOf({
  scheduling: { certificates: ['DNS:scheduling.internal'] },
  billing: { certificates: [SVID] },
})
const { clock, now } = movedClock()

const serviceOf = async (names: string[], parts: object = {}) => {
  let service = ''
  const certificate = { names, notBefore: now() - 1000, notAfter: now() + 1000, ...parts }
  const code = await codeOf(() => {
    service = serviceInCertificate(certificate, access, clock)
  })
  return service || code
}

test.each([
  ['a DNS name', ['DNS:scheduling.internal'], 'scheduling'],
  ['a URI', [SVID], 'billing'],
  ['a name of ours beside strangers', ['DNS:x', 'DNS:scheduling.internal'], 'scheduling'],
  ['one name twice', [SVID, SVID], 'billing'],
  ['the names of two services', ['DNS:scheduling.internal', SVID], 'certificate_unknown'],
  ['no name', [], 'certificate_unknown'],
  ['a stranger', ['DNS:x'], 'certificate_unknown'],
  ['a name of Object.prototype', ['constructor'], 'certificate_unknown'],
  ['a wildcard', ['DNS:*.internal'], 'certificate_unknown'],
  ['a DNS name as a URI', ['URI:scheduling.internal'], 'certificate_unknown'],
  ['a longer name', ['DNS:scheduling.internal.evil.example'], 'certificate_unknown'],
  ['another case in a path', [SVID.toUpperCase()], 'certificate_unknown'],
])('%s: %s', async (_, names, expected) => {
  expect(await serviceOf(names)).toBe(expected)
})

test('a certificate that ran out on an open connection is refused, and one of tomorrow too', async () => {
  expect(await serviceOf([SVID], { notAfter: now() })).toBe('certificate_expired')
  expect(await serviceOf([SVID], { notBefore: now() + 1 })).toBe('certificate_expired')
  expect(await serviceOf([SVID], { notAfter: Number.NaN })).toBe('certificate_expired')
})
