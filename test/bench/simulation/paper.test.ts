import { expect, test } from 'vitest'
import { inputsIn, manual } from './inputs.ts'
import { figuresOf } from './paper.ts'
import { figureLines } from './tables.ts'

test('the figures in the manual are those that follow from its inputs', () => {
  const text = manual()
  const lines = text.split('\n')
  const missing = figureLines(inputsIn(text)).filter(line => !lines.includes(line))
  expect(missing).toEqual([])
})

test('with one zone out no process is fuller than it may be, and one less in each zone would be too few', () => {
  for (const processRate of [900, 5_700, 14_000, 60_000]) {
    const inputs = { ...inputsIn(manual()), processRate }
    const { processes, loadWithoutZone } = figuresOf(inputs, 300)
    expect(loadWithoutZone).toBeLessThanOrEqual(inputs.fullest)
    const fewer = processes - inputs.zones
    const load = inputs.rate / (fewer * (1 - 1 / inputs.zones) * processRate)
    expect(load).toBeGreaterThan(inputs.fullest)
  }
})

test('a table without a value for an input is refused by the name of the input', () => {
  expect(() => inputsIn('| hospitals | many | |')).toThrow(/no value for hand-outs a second/)
})
