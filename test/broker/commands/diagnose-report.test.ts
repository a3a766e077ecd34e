import { expect, test } from 'vitest'
import { diagnosisReport, isHealthy } from '../../../broker/commands/diagnose-report.ts'
import { CAUSES } from '../../../broker/diagnosis/causes.ts'
import { diagnose } from '../../../broker/diagnosis/diagnose.ts'
import type { Facts } from '../../../broker/diagnosis/facts.ts'
import { another, factsOf, refusedWith } from '../../support/facts.ts'
import { upstream } from '../../support/upstream.ts'

const AT = '2026-11-25T12:00:00.000Z'
const report = (parts: Partial<Facts>) => {
  const facts = factsOf(parts)
  return diagnosisReport(facts, diagnose(facts), AT)
}

test('every cause fits 100 columns, with long names in the config', () => {
  const long = upstream({
    ...{ id: 'x'.repeat(64), clientId: 'c'.repeat(10) },
    tokenEndpoint: `https://ehr.example.com/${'y'.repeat(300)}`,
  })
  const facts = factsOf({
    upstream: long,
    namedEndpoint: `https://ehr.example.com/${'z'.repeat(300)}`,
  })
  const causes = Object.entries(CAUSES).map(([code, { means, fix, who, source }]) => ({
    ...{ code: code as keyof typeof CAUSES, means, fix, who, source },
    ...{ because: `it ${'z'.repeat(200)}`, certainty: 'likely' as const },
  }))
  const lines = diagnosisReport(facts, causes, AT).split('\n')
  expect(lines.filter(line => line.length > 100)).toEqual([])
  expect(lines.length).toBeGreaterThan(4 * causes.length)
})

test.each<[string, Partial<Facts>]>([
  ['Nothing is wrong.', { token: { outcome: 'granted' } }],
  ['without a token', { token: { outcome: 'not_asked' } }],
  ['No cause is known for upstream_rate_limited', refusedWith('upstream_rate_limited')],
  ['the EHR’s is 30 s ahead of ours', { skew: 30 }],
  ['the EHR’s is 30 s behind ours', { skew: -30 }],
  ['as the EHR’s', { skew: 1 }],
  ['does not tell its own', { skew: null }],
  ['not to be had: html', { set: { state: 'html' } }],
  ['no keys.nonprod.jwksUrl', { set: { state: 'no_url' } }],
  [
    '2 with this client ID (1 work, 0 fail, 1 never asked)',
    {
      others: [another(), another({ works: null })],
    },
  ],
  [
    '1 with other client IDs (0 work, 1 fail)',
    { others: [another({ clientId: 'x', works: false })] },
  ],
  ['2 h ago, with kid kid-9', { past: { worked: 7200, kid: 'kid-9', tried: 9000, failures: 0 } }],
  ['(Via)', { hasGateway: true }],
  ['status 403', { fhir: { metadata: null, patient: { status: 403, lacks: null } } }],
  ['no answer', { fhir: { metadata: { status: 0, lacks: null }, patient: null } }],
])('it says: %s', (text, parts) => {
  expect(report(parts).replace(/\s+/g, ' ')).toContain(text)
})

test('healthy is what was not refused and has no cause', () => {
  const healthy = (parts: Partial<Facts>) => {
    const facts = factsOf(parts)
    return isHealthy(facts, diagnose(facts))
  }
  expect(healthy({ token: { outcome: 'granted' } })).toBe(true)
  expect(healthy({ token: { outcome: 'not_asked' } })).toBe(true)
  expect(healthy({ token: { outcome: 'not_asked' }, skew: 1000 })).toBe(false)
  expect(healthy(refusedWith('upstream_rate_limited'))).toBe(false)
})
