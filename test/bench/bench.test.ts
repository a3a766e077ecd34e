import { expect, test } from 'vitest'
import { atLeast, atMost, median, reportOf, tableOf } from './bench.ts'

test.each([
  [[3, 1, 2], 2],
  [[4, 1, 3, 2], 2.5],
  [[7], 7],
])('the median of %j is %d', (values, middle) => {
  expect(median(values)).toBe(middle)
})

const ROW = {
  ...{ what: 'handout_rate', value: 9, unit: '1/s', ratio: 0.5, against: 'fastify' },
  ...{ spread: [8, 10] as [number, number], needs: atLeast(0.5, 0.9) },
}

test('a figure that falls short is named in the table, and one that suffices is not', () => {
  expect(tableOf([ROW])).toContain('MISSED')
  expect(tableOf([{ ...ROW, needs: atMost(0.5, 0.9) }])).not.toContain('MISSED')
})

test('a report has the figures, what they are held against, and the machine', () => {
  expect(reportOf('handout', [ROW])).toEqual({
    bench: 'handout',
    machine: expect.stringContaining('Node'),
    rows: [{ what: 'handout_rate', value: 9, unit: '1/s', ratio: 0.5, against: 'fastify' }],
  })
})
