import { describe, expect, test } from 'vitest'
import { CHECKS } from '../../../keys-pipeline/doctor/checks.ts'
import { FAULTS, type FaultName } from '../../../keys-pipeline/doctor/faults.ts'
import { fault, fromFinding, good } from '../../../keys-pipeline/doctor/remark.ts'
import { finding } from '../../../keys-pipeline/errors.ts'

const names = Object.keys(FAULTS) as FaultName[]

describe('a remark', () => {
  test('says why it matters, what to do and where that stands', () => {
    for (const name of names) {
      const { check, level, why, fix, source } = fault(name, 'x')
      expect([check, level]).toEqual([FAULTS[name].check, FAULTS[name].level])
      expect([why, source]).toEqual([CHECKS[check].why, CHECKS[check].source])
      expect(fix).not.toBe('')
    }
  })

  test('shows what comes from outside harmless', () => {
    expect(good('type', '\u001b[2J').seen).toBe('\\u001b[2J')
    expect(fault('type_other', '\u202e').seen).toBe('\\u202e')
    const odd = finding('rsa_short', 'x', 'y', '\u0007')
    expect(fromFinding('keys', odd)).toMatchObject({ code: 'rsa_short', seen: 'y (kid \\u0007)' })
  })
})
