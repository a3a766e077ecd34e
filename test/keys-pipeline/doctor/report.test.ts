import { expect, test } from 'vitest'
import { FAULTS, type FaultName } from '../../../keys-pipeline/doctor/faults.ts'
import { fault, good } from '../../../keys-pipeline/doctor/remark.ts'
import {
  checklistReport,
  doctorReport,
  type Examined,
} from '../../../keys-pipeline/doctor/report.ts'
import { takenBy, VENDOR_NAMES } from '../../../keys-pipeline/doctor/vendors.ts'

const examined = (more: Partial<Examined> = {}): Examined => ({
  ...{ url: 'https://keys.example.com/jwks.json', environment: null, at: '2026-11-25T12:00:00Z' },
  ...{ remarks: [], vendors: [], ...more },
})
const wide = (text: string): string[] => text.split('\n').filter(line => [...line].length > 100)

test('no line is wider than a terminal of 100, whatever was seen', () => {
  const remarks = (Object.keys(FAULTS) as FaultName[]).map(name =>
    fault(name, `${'long '.repeat(30)}${'x'.repeat(300)}`),
  )
  const vendors = VENDOR_NAMES.map(name => takenBy(name, []))
  expect(wide(doctorReport(examined({ remarks, vendors })))).toEqual([])
  expect(wide(checklistReport())).toEqual([])
})

test('what is good is one line; what is not says why, what to do and where that stands', () => {
  const lines = (remark: Examined['remarks'][number]): string[] =>
    doctorReport(examined({ remarks: [remark] }))
      .split('\n')
      .slice(3, -2)
  expect(lines(good('type', 'application/json'))).toHaveLength(1)
  const { why, fix, source } = fault('cors_missing', 'x')
  const shown = lines(fault('cors_missing', 'x')).join(' ').replace(/ +/g, ' ')
  for (const part of ['cors_missing', why, fix, source]) expect(shown).toContain(part)
})

test('the last line counts', () => {
  const remarks = [
    fault('html', 'x'),
    fault('cors_missing', 'x'),
    good('time', 'x'),
    good('url', 'x'),
  ]
  expect(doctorReport(examined({ remarks }))).toMatch(/\n1 bad, 1 to think about, 2 good$/)
})
