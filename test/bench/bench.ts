import { cpus, totalmem } from 'node:os'
import process from 'node:process'

/** One figure of a run. */
export interface Row {
  what: string
  value: number
  unit: string
  /** `value` over the same figure of `against`, or over the bound that `against` names; null where it stands alone. */
  ratio: number | null
  against: string | null
  /** Of the rounds that `value` is the median of. */
  spread?: [least: number, most: number]
  /** What must be true of it; left out where the figure is only told. */
  needs?: { text: string; isMet: boolean }
}

export interface Bench {
  name: string
  /** What it measures, in a line. */
  title: string
  run: (tell: (line: string) => void) => Promise<Row[]>
}

/** What `--json` writes. */
export interface Report {
  bench: string
  machine: string
  rows: Pick<Row, 'what' | 'value' | 'unit' | 'ratio' | 'against'>[]
}

export const machine = (): string =>
  `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`

export const reportOf = (bench: string, rows: readonly Row[]): Report => ({
  bench,
  machine: machine(),
  rows: rows.map(({ what, value, unit, ratio, against }) => ({
    ...{ what, value, unit, ratio, against },
  })),
})

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const [low = Number.NaN, high = Number.NaN] = [sorted[middle - 1], sorted[middle]]
  return sorted.length % 2 === 1 ? high : (low + high) / 2
}

export const spreadOf = (values: readonly number[]): [number, number] => [
  Math.min(...values),
  Math.max(...values),
]

/** A condition that a ratio is held to. */
export const atLeast = (ratio: number, least: number): NonNullable<Row['needs']> => ({
  ...{ text: `≥ ${least}`, isMet: ratio >= least },
})

export const atMost = (ratio: number, most: number): NonNullable<Row['needs']> => ({
  ...{ text: `≤ ${most}`, isMet: ratio <= most },
})

/** A table for people: columns under each other, the verdict last. */
export function tableOf(rows: readonly Row[]): string {
  const head = ['what', 'value', 'min to max', 'unit', 'ratio', 'against', 'needs', '']
  const lines = rows.map(({ what, value, unit, ratio, against, spread, needs }) => [
    what,
    short(value),
    spread ? `${short(spread[0])} to ${short(spread[1])}` : '',
    unit,
    ratio === null ? '' : ratio.toFixed(2),
    against ?? '',
    needs?.text ?? '',
    needs ? (needs.isMet ? 'met' : 'MISSED') : '',
  ])
  const widths = head.map((_, at) =>
    Math.max(...[head, ...lines].map(each => each[at]?.length ?? 0)),
  )
  return [head, ...lines]
    .map(each =>
      each
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

const short = (value: number): string =>
  Math.abs(value) >= 100 || Number.isInteger(value) ? `${Math.round(value)}` : value.toPrecision(3)
