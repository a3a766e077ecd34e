import { expect, test } from 'vitest'
import type { AuditRecord } from '../../broker/audit.ts'
import { openRecentRefusals } from '../../broker/recent-refusals.ts'
import { auditRecord } from '../support/audit.ts'

function ring() {
  const recorded: AuditRecord[] = []
  const recent = openRecentRefusals(id => id === 'billing')
  const audit = recent.watchAudit({
    record: async record => void recorded.push(record),
    close: async () => {},
  })
  return { recent, audit, recorded }
}

test('refusals are kept, the latest first, and grants are not; both go on to the audit', async () => {
  const { recent, audit, recorded } = ring()
  await audit.record(auditRecord({ code: 'secret_wrong' }))
  await audit.record(auditRecord({ decision: 'granted', code: null }))
  await audit.record(auditRecord({ code: 'scope_not_granted', service: 'billing' }))
  expect(recent.list().map(({ code, service }) => [code, service])).toEqual([
    ['scope_not_granted', 'billing'],
    ['secret_wrong', null],
  ])
  expect(recorded).toHaveLength(3)
})

test('a hundred are kept, and what was given out before does not change', async () => {
  const { recent, audit } = ring()
  await audit.record(auditRecord({ code: 'first' }))
  const before = recent.list()
  for (let at = 0; at < 100; at++) await audit.record(auditRecord({ code: 'later' }))
  expect(recent.list()).toHaveLength(100)
  expect(recent.list().some(({ code }) => code === 'first')).toBe(false)
  expect(before).toHaveLength(1)
})

test('a claimed name is kept only if it is a service’s: a secret may stand in its place', async () => {
  const { recent, audit } = ring()
  const misplaced = 'the-secret-where-the-id-should-be'
  const asked = { audience: misplaced, resource: misplaced, scope: misplaced, minimum_ttl: 0 }
  await audit.record(auditRecord({ claimed: misplaced, asked }))
  await audit.record(auditRecord({ claimed: 'billing' }))
  expect(recent.list().map(({ claimed }) => claimed)).toEqual(['billing', null])
  expect(JSON.stringify(recent.list())).not.toContain(misplaced)
})

test('a refusal that cannot be recorded is kept all the same', async () => {
  const recent = openRecentRefusals(() => false)
  const audit = recent.watchAudit({
    record: () => Promise.reject(new Error('disk full')),
    close: async () => {},
  })
  await expect(audit.record(auditRecord({ code: 'secret_wrong' }))).rejects.toThrow('disk full')
  expect(recent.list()).toHaveLength(1)
})
