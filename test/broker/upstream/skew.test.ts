import { pino } from 'pino'
import { expect, test } from 'vitest'
import { openHistory } from '../../../broker/upstream/history.ts'
import { tellSkew } from '../../../broker/upstream/skew.ts'
import { upstream } from '../../support/upstream.ts'

test('a clock that is far from ours is told when it begins and when it ends, and always kept', () => {
  const lines: string[] = []
  const history = openHistory()
  const tell = tellSkew(history, pino({}, { write: line => lines.push(line) }))
  for (const skew of [0, 30, 31, 400, -31, 30, 0]) tell(upstream(), skew)
  expect(lines.map(line => JSON.parse(line)).map(({ msg, skew }) => [msg, skew])).toEqual([
    ['clocks differ', 31],
    ['clocks agree again', 30],
  ])
  expect(history.of('ehr').skew).toBe(0)
})
