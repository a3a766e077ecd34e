import { rowsOf } from '../faults/soak/report.ts'
import { soak as runSoak } from '../faults/soak/run.ts'
import type { Bench, Row } from './bench.ts'

/** Requests per second. */
const RATE = 150
const MINUTES = 10

/** The figures of so many minutes of faults. */
async function soakRows(minutes: number, tell: (line: string) => void): Promise<Row[]> {
  const seed = Date.now() % 2 ** 31
  tell(`  seed ${seed}, ${minutes} minutes`)
  return rowsOf(await runSoak({ minutes, seed, rate: RATE, tell }))
}

export const soak: Bench = {
  name: 'soak',
  title: 'ten minutes of hand-outs while everything around them fails in turn',
  run: tell => soakRows(MINUTES, tell),
}
