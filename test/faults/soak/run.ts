import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { actOut } from './act.ts'
import { type Answer, type Attempt, openJudge, openLedger, type Wrong } from './judge.ts'
import { openLoad } from './load.ts'
import { type Name, planOf } from './plan.ts'
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

export async function soak({ minutes, seed, rate, tell }: SoakWish): Promise<Soaked> {
  const seconds = minutes * 60
  let began = performance.now()
  const since = (): number => (performance.now() - began) / 1000
  const forgetting = { forget: (_: Name): void => {} }
  const world = await openWorld(seed, {
    seconds: since,
    onUnsettled: name => forgetting.forget(name),
  })
  const book = openBook(world, { since, forgetting, tell })
  const { replicas, timeline, policies, chance } = world
  const both = Object.values(replicas)
  try {
    began = performance.now()
    for (const { lives } of both) for (const each of lives) each.began = 0
    const aborted = new AbortController()
    const load = openLoad({ replicas: both, policies, chance, rate }, book)
    const looking = setInterval(() => {
      for (const each of both) void each.look(since())
    }, LOOK * 1000)
    const showing = setInterval(() => {
      tell(`  ${progress(since(), book, timeline.present())}`)
    }, PROGRESS * 1000)
    const acting = actOut(planOf(seed, seconds), world, {
      ...{ since, until: aborted.signal },
      tell: line => tell(`${since().toFixed(0).padStart(6)} s  ${line}`),
    })
    await load.run(() => since() >= seconds)
    const faults = await acting
    clearInterval(showing)
    clearInterval(looking)
    await load.close()
    await new Promise(done => setTimeout(done, QUIET * 1000))
    await Promise.all(both.map(each => each.look(since())))
    await Promise.all(both.map(each => each.stop()))
    const records = await readRecords(world, book)
    const { ehrs } = world
    return {
      ...{ minutes, seed, faults, ...book.told(), records },
      calls: { ...ehrs.counts, kids: ehrs.kids.size },
      refusedAssertions: ehrs.refused,
      lives: both.flatMap(each => each.lives),
      complaints: both.flatMap(each => each.complaints),
    }
  } finally {
    await world.close()
  }
}

type Book = ReturnType<typeof openBook>

/** What is told of each attempt, added up. */
function openBook(
  { timeline, ehrs, policies }: SoakWorld,
  {
    since,
    forgetting,
    tell,
  }: {
    since: () => number
    forgetting: { forget: (name: Name) => void }
    tell: SoakWish['tell']
  },
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
  forgetting.forget = judge.forget
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
      for (const wrong of judge.judge(attempt)) {
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
