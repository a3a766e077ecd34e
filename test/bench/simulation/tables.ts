import { LIVES } from './inputs.ts'
import { type Figures, figuresOf, type Inputs } from './paper.ts'

const whole = (value: number): string => Math.round(value).toLocaleString('en')
/** Two figures that count, as few are known better. */
const about = (value: number): string =>
  value >= 100 ? whole(Number(value.toPrecision(3))) : `${Number(value.toPrecision(2))}`
const percent = (value: number): string => `${Math.round(value * 100)} %`
const bytes = (value: number): string => {
  const [unit, size] = (
    [
      ['TB', 1e12],
      ['GB', 1e9],
      ['MB', 1e6],
      ['kB', 1e3],
    ] as const
  ).find(each => value >= each[1]) ?? ['bytes', 1]
  return `${about(value / size)} ${unit}`
}
const mebibytes = (value: number): string => `${whole(value / 2 ** 20)} MiB`

const DAY = 86_400

/** What is reckoned, how, and what comes out. */
const ROWS: readonly [
  name: string,
  formula: string,
  value: (figures: Figures, inputs: Inputs) => string,
][] = [
  [
    'processes, each with a core',
    'zones × ⌈hand-outs ÷ (hand-outs of one process × used at most × (zones − 1))⌉',
    ({ processes }) => whole(processes),
  ],
  [
    'load of each',
    'hand-outs ÷ (processes × hand-outs of one process)',
    ({ usualLoad }) => percent(usualLoad),
  ],
  [
    'with one zone out',
    'that × zones ÷ (zones − 1)',
    ({ loadWithoutZone }) => percent(loadWithoutZone),
  ],
  ['keys of the cache', 'hospitals × sets of scopes', ({ keys }) => whole(keys)],
  [
    'lead: a refresh begins before the end',
    'least of life ÷ 3 and 300 s',
    ({ lead }) => `${whole(lead)} s`,
  ],
  [
    'period: between two calls for one key',
    'life − lead + (lead ÷ 5) ÷ (processes + 1)',
    ({ period }) => `${whole(period)} s`,
  ],
  ['EHR calls a second, of all', 'keys ÷ period', ({ calls }) => about(calls)],
  [
    'EHR calls an hour, of one hospital',
    'sets of scopes × 3600 s ÷ period',
    ({ callsOfOne }) => about(callsOfOne),
  ],
  [
    'redis: round trips a second, for tokens',
    'keys ÷ period × (processes + 5)',
    ({ trips }) => about(trips),
  ],
  [
    'redis: of its core, for tokens',
    'round trips × time of one',
    ({ trips }, { trip }) => `${about(trips * trip * 100)} %`,
  ],
  [
    'redis: values a second, for tokens',
    'keys ÷ period × processes × (token + 200 bytes) × 4/3',
    ({ storeBytes }) => bytes(storeBytes),
  ],
  [
    'a deployment: looks at redis beyond the usual',
    'processes × keys',
    ({ looksOfDeployment }) => whole(looksOfDeployment),
  ],
  [
    'a zone comes back: the same',
    'processes ÷ zones × keys',
    ({ looksOfReturn }) => whole(looksOfReturn),
  ],
  [
    'redis out: EHR calls a second, of all',
    'processes × keys ÷ (life − lead + (lead ÷ 5) ÷ 2)',
    ({ callsAlone }) => about(callsAlone),
  ],
  [
    'redis out: EHR calls an hour, of one hospital',
    'the same for one hospital',
    ({ callsOfOneAlone }) => about(callsOfOneAlone),
  ],
  [
    'memory of a process',
    'without tokens + keys × (memory for a token + its bytes)',
    ({ memory }) => mebibytes(memory),
  ],
  ['audit a second, of all', 'hand-outs × record', ({ audit }) => bytes(audit)],
  [
    'audit a day, of all; of one process',
    'that × 86,400 s; ÷ processes',
    ({ audit, processes }) => `${bytes(audit * DAY)}; ${bytes((audit * DAY) / processes)}`,
  ],
  [
    'network, of all, both directions',
    'hand-outs × (request + reply) × 8 bits',
    ({ network }) => `${about((network * 8) / 1e6)} Mbit/s`,
  ],
]

/** The manual's table of figures, line by line. */
export function figureLines(inputs: Inputs): string[] {
  const all = LIVES.map(life => figuresOf(inputs, life))
  return ROWS.map(
    ([name, formula, value]) =>
      `| ${[name, formula, ...all.map(figures => value(figures, inputs))].join(' | ')} |`,
  )
}
