import { expect, test } from 'vitest'
import { BrokerError } from '../../../broker/errors.ts'
import {
  browserHeaders,
  errorPage,
  explainPage,
  rehearsalPage,
  statusPage,
} from '../../../broker/http/launch-pages.ts'
import type { ConnectionStatus } from '../../../broker/launch/front.ts'

const HOSTILE = '<img src=x onerror=alert(1)>"\''
const STATUS: ConnectionStatus = {
  ...{ connected: true, upstream: HOSTILE, standing: 'connected', scopes: [HOSTILE] },
  ...{ expires_at: '2026-11-25T00:00:00.000Z', lasting: true, patient: HOSTILE, fhirUser: HOSTILE },
}

test('what an EHR or an URL says is text on a page, whatever it is', () => {
  const parameters = [{ name: HOSTILE, value: HOSTILE, why: HOSTILE }]
  for (const page of [
    statusPage(STATUS),
    errorPage(new BrokerError('state_used'), HOSTILE),
    explainPage(HOSTILE, { url: HOSTILE, parameters, missing: [HOSTILE] }),
    rehearsalPage(HOSTILE, [{ name: HOSTILE, shown: HOSTILE }], HOSTILE),
  ]) {
    expect(page).toContain('&lt;img')
    expect(page).not.toContain('<img')
  }
})

test('a page may load nothing, run nothing, and be framed by those alone that the config names', () => {
  const { 'content-security-policy': policy, ...others } = browserHeaders([])
  expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[\w+/=]+'; form-action 'self'; /)
  expect(policy).toContain("frame-ancestors 'none'")
  expect(others).toEqual({
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
  })
  const framed = browserHeaders(['https://ehr.example.com', 'https://other.example.com'])
  expect(framed['content-security-policy']).toMatch(
    /frame-ancestors https:\/\/ehr\.example\.com https:\/\/other\.example\.com$/,
  )
  expect(framed).not.toHaveProperty('x-frame-options')
})

test('who begins again is offered it only where that would help', () => {
  expect(errorPage(new BrokerError('state_used'), 'epic')).toContain('href="/oauth/epic-authorize"')
  expect(errorPage(new BrokerError('not_found'), null)).not.toContain('href')
})
