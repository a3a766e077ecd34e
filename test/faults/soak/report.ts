import { type Row, tableOf } from '../../bench/bench.ts'
import { WRONGS, type Wrong } from './judge.ts'
import type { Life } from './replica.ts'
import type { Soaked } from './run.ts'
import { grows, type Sample, type Slope, slopeOf } from './slope.ts'

/** Seconds of a process' life in which its memory may grow: it compiles, and fills what it keeps. */
const WARM_UP = 120
/** Seconds of a process' life in which its open files are counted for the first time. */
const SETTLED = [5, 35] as const
/** Open files more than then that are no leak: connections come and go. */
const MORE_HANDLES = 6

interface Grown extends Slope {
  life: Life
  figure: 'memory' | 'heap'
}

/** Slopes of the lives that were long enough; bytes a second. */
function slopesOf({ lives }: Soaked): Grown[] {
  return lives.flatMap(life =>
    (['memory', 'heap'] as const).flatMap((figure): Grown[] => {
      const slope = slopeOf(life[figure].filter(({ at }) => at >= life.began + WARM_UP))
      return slope === null ? [] : [{ ...slope, life, figure }]
    }),
  )
}

interface Handles {
  life: Life
  first: number
  last: number
}

/** Of the processes that were up at the end, when nobody asked any more; before, the least of a while under load. */
function handlesOf({ lives }: Soaked): Handles[] {
  const end = Math.max(...lives.flatMap(({ handles }) => handles.map(({ at }) => at)))
  return lives.flatMap(life => {
    const early = life.handles.filter(
      ({ at }) => at >= life.began + SETTLED[0] && at <= life.began + SETTLED[1],
    )
    const last = life.handles.at(-1)
    if (early.length === 0 || last === undefined || last.at < end - 1) return []
    return [{ life, first: Math.min(...early.map(({ value }) => value)), last: last.value }]
  })
}

const MINUTE = 60
const MEBI = 2 ** 20

/** Every rule that was broken, in words. */
export function faultsOf(soaked: Soaked): string[] {
  const { wrongs, records, unserved, refusedAssertions, complaints, calls } = soaked
  const counted = (many: number, what: string): string[] => (many > 0 ? [`${many} × ${what}`] : [])
  return [
    ...Object.entries(wrongs).map(([wrong, many]) => `${many} × ${WRONGS[wrong as Wrong]}`),
    ...counted(records.lost, 'an answer without its audit record'),
    ...counted(records.differing, 'an audit record that fits no answer'),
    ...counted(unserved, 'a request that neither broker took'),
    ...counted(
      refusedAssertions.length,
      `an assertion refused: ${[...new Set(refusedAssertions)]}`,
    ),
    ...(calls.kids < (soaked.faults['keys'] ?? 0) ? ['a published key never came to sign'] : []),
    ...slopesOf(soaked)
      .filter(grows)
      .map(each => `${each.figure} of ${each.life.name} grows: ${perMinute(each)}`),
    ...handlesOf(soaked)
      .filter(({ first, last }) => last > first + MORE_HANDLES)
      .map(({ life, first, last }) => `${life.name} has ${last} open files, ${first} before`),
    ...complaints,
  ]
}

const WRONG_TOKENS: readonly Wrong[] = [
  ...(['token_unknown', 'token_of_other', 'token_beyond_grant'] as const),
  ...(['token_without_right', 'life_overstated', 'life_negative'] as const),
]

/** The figures of the bench's report. */
export function rowsOf(soaked: Soaked): Row[] {
  const { wrongs, records, answers } = soaked
  const row = (what: string, value: number, unit = '', needs?: Row['needs']): Row => ({
    ...{ what, value, unit, ratio: null, against: null, ...(needs && { needs }) },
  })
  const none = (what: string, value: number): Row =>
    row(what, value, '', { text: '0', isMet: value === 0 })
  const wrong = (names: readonly Wrong[]): number =>
    names.reduce((all, name) => all + (wrongs[name] ?? 0), 0)
  const others = (Object.keys(WRONGS) as Wrong[]).filter(
    name => !WRONG_TOKENS.includes(name) && name !== 'below_floor',
  )
  const handles = handlesOf(soaked).map(({ first, last }) => last - first)
  return [
    row('soak_requests', soaked.requests),
    row('soak_tokens', answers['200'] ?? 0),
    none('soak_wrong_tokens', wrong(WRONG_TOKENS)),
    none('soak_below_floor', wrong(['below_floor'])),
    none('soak_unexplained', wrong(others) + soaked.unserved + soaked.refusedAssertions.length),
    none('soak_lost_audit_records', records.lost + records.differing),
    ...slopesOf(soaked).map(each => ({
      ...row(`soak_${each.figure}_slope`, (each.slope * MINUTE) / MEBI, 'MiB/min'),
      spread: edges(each),
      needs: { text: 'not above 0', isMet: !grows(each) },
    })),
    row('soak_open_handles', Math.max(0, ...handles), '', {
      ...{ text: `≤ ${MORE_HANDLES}`, isMet: handles.every(each => each <= MORE_HANDLES) },
    }),
  ]
}

const edges = ({ slope, within }: Slope): [number, number] => [
  ((slope - within) * MINUTE) / MEBI,
  ((slope + within) * MINUTE) / MEBI,
]

const perMinute = (slope: Slope): string => {
  const [least, most] = edges(slope).map(each => each.toFixed(3))
  return `${((slope.slope * MINUTE) / MEBI).toFixed(3)} MiB a minute (95 %: ${least} to ${most})`
}

/** For people. */
export function reportOf(soaked: Soaked): string {
  const { answers, records, faults, calls, times, lives } = soaked
  const sorted = (counts: Record<string, number>): string =>
    Object.entries(counts)
      .sort(([, one], [, other]) => other - one)
      .map(([name, many]) => `${name} ${many}`)
      .join(', ')
  return [
    `answers    ${sorted(answers)}`,
    `records    ${records.records}: ${records.unheard} of answers nobody heard, ${records.torn} lines cut short`,
    `faults     ${sorted(faults)}`,
    `EHRs       ${calls.calls} calls, ${calls.failed} of them failed, ${calls.issued} tokens, ${calls.kids} keys signed`,
    `answers in ${times.p50.toFixed(1)} ms (median), ${times.p99.toFixed(0)} ms (p99), ${times.most.toFixed(0)} ms (most); the machine had no time for us ${soaked.stalls} times`,
    ...lives.map(memoryOf),
    '',
    tableOf(rowsOf(soaked)),
  ].join('\n')
}

function memoryOf({ name, began, memory, heap, handles }: Life): string {
  const ends = (samples: Sample[], unit: number): string => {
    const shown = [samples[Math.min(2, samples.length - 1)], samples.at(-1)].map(each =>
      ((each?.value ?? 0) / unit).toFixed(unit === 1 ? 0 : 1),
    )
    return shown.join(' to ')
  }
  const lasted = (memory.at(-1)?.at ?? began) - began
  return `broker ${name}   ${lasted.toFixed(0).padStart(4)} s: ${ends(memory, MEBI)} MiB resident, ${ends(heap, MEBI)} MiB heap, ${ends(handles, 1)} open files`
}
