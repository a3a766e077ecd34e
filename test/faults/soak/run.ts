import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { actOut } from './act.ts'
import { type Answer, type Attempt, openJudge, openLedger, type Wrong } from './judge.ts'
import { openLoad } from './load.ts'
import { LONG, planOf } from './plan.ts'
import type { Life } from './replica.ts'
import { openWorld, type SoakWorld } from './world.ts'

export interface SoakWish {
  minutes: number
  seed: number
  /** Requests per second. */
  rate: number
  tell: (line: string) => void
}

/** What a soak has counted. */
export interface Soaked {
  minutes: number
  seed: number
  /** Requests that were sent, those to a replica that could not be reached included. */
  requests: number
  /** By kind: `200`, the code of a refusal, or `broken`. */
  answers: Record<string, number>
  wrongs: Partial<Record<Wrong, number>>
  /** The first few of them. */
  examples: { wrong: Wrong; at: number; present: string[]; attempt: Attempt }[]
  /** Requests that neither replica took. */
  unserved: number
  records: { records: number; lost: number; differing: number; unheard: number; torn: number }
  faults: Record<string, number>
  calls: { calls: number; failed: number; issued: number; kids: number }
  /** True reasons for which an EHR refused an assertion that it should have accepted. */
  refusedAssertions: readonly string[]
  /** How often the machine had no time for us. */
  stalls: number
  /** Milliseconds of an answer. */
  times: { p50: number; p99: number; most: number }
  lives: Life[]
  complaints: string[]
}

/** Seconds between two looks at a process, and between two lines of progress. */
const [LOOK, PROGRESS] = [4, 5]
/** Seconds without load before the open files are counted for the last time: idle connections end meanwhile. */
const QUIET = 6
const ENOUGH = 12
/** A process has compiled what it will, and its heap no longer grows, after some 60,000 requests (measured). */
const WARM_UP = { seconds: 60, rate: 2000 }
/** Milliseconds. */
const [BEAT, STALL] = [250, 750]

export async function soak({ minutes, seed, rate, tell }: SoakWish): Promise<Soaked> {
  const seconds = minutes * 60
  const world = await openWorld(seed)
  let began = performance.now()
  const since = (): number => (performance.now() - began) / 1000
  const book = openBook(world, { since, tell })
  const { replicas, timeline, policies, chance } = world
  const both = Object.values(replicas)
  let isOver = false
  const beating = watchStalls(timeline)
  const looking = setInterval(() => both.map(each => each.look()), LOOK * 1000)
  const showing = setInterval(() => {
    tell(`  ${progress(since(), book, timeline.present())}`)
  }, PROGRESS * 1000)
  try {
    const load = openLoad({ replicas: both, policies, chance }, book)
    if (seconds >= LONG) {
      tell(`  ${WARM_UP.seconds} s of many requests, so that memory has what it keeps`)
      await load.run(WARM_UP.rate, () => since() >= WARM_UP.seconds)
      began = performance.now()
    }
    const [faults] = await Promise.all([
      actOut(planOf(seed, seconds), world, {
        since,
        tell: line => tell(`${since().toFixed(0).padStart(6)} s  ${line}`),
      }),
      load.run(rate, () => isOver || since() >= seconds),
    ])
    await load.close()
    clearInterval(showing)
    clearInterval(looking)
    await wait(QUIET * 1000)
    await Promise.all(both.map(each => each.look()))
    await Promise.all(both.map(each => each.stop()))
    const records = await readRecords(world, book)
    const { ehrs } = world
    return {
      ...{ minutes, seed, faults, ...book.told(), records },
      calls: { ...ehrs.counts, kids: ehrs.kids.size },
      refusedAssertions: ehrs.refused,
      stalls: timeline.spans('stall').length,
      lives: both.flatMap(each => each.lives),
      complaints: both.flatMap(each => each.complaints),
    }
  } finally {
    isOver = true
    clearInterval(beating)
    clearInterval(showing)
    clearInterval(looking)
    await world.close()
  }
}

/** Marks when the machine had no time for us: its brokers had none either. */
function watchStalls(timeline: SoakWorld['timeline']): NodeJS.Timeout {
  let last = performance.now()
  return setInterval(() => {
    const now = performance.now()
    if (now - last > BEAT + STALL) timeline.mark('stall')
    last = now
  }, BEAT)
}

type Book = ReturnType<typeof openBook>

/** What is told of each attempt, added up. */
function openBook(
  { timeline, ehrs, policies }: SoakWorld,
  { since, tell }: { since: () => number; tell: SoakWish['tell'] },
) {
  const answers: Record<string, number> = {}
  const wrongs: Partial<Record<Wrong, number>> = {}
  const examples: Soaked['examples'] = []
  const times: number[] = []
  const ledger = openLedger()
  const wishes = new WeakMap<Attempt, { secret: string; policies: [number, number] }>()
  let [requests, unserved] = [0, 0]
  const judge = openJudge({
    ...{ timeline, issued: ehrs.issued },
    rights: attempt => {
      const { secret = '', policies: between = [0, 0] } = wishes.get(attempt) ?? {}
      const { service, upstream, scope } = attempt
      const wish = { client: service, secret, audience: upstream, scope, resources: [] }
      return policies.rights(...between, wish)
    },
  })
  return {
    ...{ answers, wrongs, ledger },
    requests: () => requests,
    onUnserved: () => void unserved++,
    onAttempt: (attempt: Attempt, wish: { secret: string; policies: [number, number] }): void => {
      requests++
      wishes.set(attempt, wish)
      const kind = kindOf(attempt.answer)
      answers[kind] = (answers[kind] ?? 0) + 1
      if (attempt.answer) times.push(attempt.endedAt - attempt.sentAt)
      ledger.enter(attempt)
      for (const wrong of judge(attempt)) {
        wrongs[wrong] = (wrongs[wrong] ?? 0) + 1
        if (examples.length === ENOUGH) continue
        const example = { wrong, at: since(), present: timeline.present(), attempt }
        examples.push(example)
        tell(`  wrong: ${JSON.stringify(example)}`)
      }
    },
    told: () => {
      const sorted = times.toSorted((one, other) => one - other)
      const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0
      return {
        ...{ requests, answers, wrongs, examples, unserved },
        times: { p50: at(0.5), p99: at(0.99), most: at(1) },
      }
    },
  }
}

const kindOf = (answer: Answer | null): string =>
  answer === null ? 'broken' : 'token' in answer ? '200' : answer.code

function progress(at: number, { requests, answers, wrongs }: Book, present: string[]): string {
  const wrong = Object.values(wrongs).reduce((all, each) => all + each, 0)
  const { '200': good = 0, broken = 0, ...refused } = answers
  const refusals = Object.values(refused).reduce((all, each) => all + each, 0)
  const now = present.filter(name => !/^(unsettled|stop)/.test(name))
  return [
    `${at.toFixed(0)} s: ${requests()} requests, ${good} tokens, ${refusals} refusals`,
    `${broken} broken, ${wrong} wrong${now.length > 0 ? ` · now: ${now.join(', ')}` : ''}`,
  ].join(', ')
}

/** Holds what was recorded against what was told. A line that was cut short is no record. */
async function readRecords({ replicas }: SoakWorld, { ledger }: Book): Promise<Soaked['records']> {
  let torn = 0
  for (const { audit } of Object.values(replicas))
    for await (const line of createInterface({ input: createReadStream(audit) }))
      try {
        ledger.strike(JSON.parse(line))
      } catch {
        torn++
      }
  return { ...ledger.tally(), torn }
}
