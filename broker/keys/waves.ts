import { hash } from 'node:crypto'
import { type KeyFacts, type KeyRecord, NO_RECORD, type UpstreamFacts } from './key-facts.ts'
import { isBlind, type Watched } from './sightings.ts'

interface Line {
  upstreams: readonly UpstreamFacts[]
  records: ReadonlyMap<string, KeyRecord>
  watched: Watched
  now: number
}

/** Milliseconds after which who never answered holds nobody up. Epic keeps a set no longer. */
export const EXCUSED_AFTER = 29 * 60 * 60 * 1000

/** Whether the turn of an upstream has come to be signed for with a newer key. */
export type IsOpenFor = (key: KeyFacts, upstream: UpstreamFacts) => boolean

/**
 * One upstream is first, then a tenth, then all, each when all of those before have accepted the key and the last round
 * of the watch could tell something. Who never accepted any key holds nobody up, and is of the last.
 */
export function openWaves(line: Line): IsOpenFor {
  const waves = new Map<string, Map<UpstreamFacts, boolean>>()
  const isLastOpen = new Map<string, boolean>()
  return (key, upstream) => {
    if (isBlind(line.watched)) return false
    let wave = waves.get(key.thumbprint)
    if (wave === undefined) {
      const [first, tenth] = earlyIn(key, line)
      const [hasFirst, hasTenth] = [first, tenth].map(some =>
        some.every(each => hasPassed(key, each, line)),
      )
      wave = new Map([
        ...first.map(each => [each, true] as const),
        ...tenth.map(each => [each, hasFirst === true] as const),
      ])
      waves.set(key.thumbprint, wave)
      isLastOpen.set(key.thumbprint, hasFirst === true && hasTenth === true)
    }
    return wave.get(upstream) ?? isLastOpen.get(key.thumbprint) === true
  }
}

/**
 * The first and the next tenth. Who has the key already comes first, then who accepted any key lately, so that nobody
 * waits for a hospital that is away; the rest is an order of chance, another for each key.
 */
function earlyIn(key: KeyFacts, line: Line): [UpstreamFacts[], UpstreamFacts[]] {
  const counted = line.upstreams
    .filter(each => each.alg === key.alg && each.pinned === null)
    .flatMap(each => {
      const rank = rankOf(key, line.records.get(each.id) ?? NO_RECORD, line.now)
      return rank === null
        ? []
        : [{ each, place: `${rank} ${hash('sha256', `${key.thumbprint} ${each.id}`)}` }]
    })
    .sort((a, b) => (a.place < b.place ? -1 : 1))
    .map(({ each }) => each)
  return [counted.slice(0, 1), counted.slice(1, 1 + Math.ceil(counted.length / 10))]
}

/** Milliseconds after which who does not answer gives up its place among the first. */
const PATIENCE = 60 * 60 * 1000

function rankOf(
  { thumbprint }: KeyFacts,
  { accepted, asked }: KeyRecord,
  now: number,
): number | null {
  if (accepted[thumbprint] !== undefined) return 0
  const times = Object.values(accepted)
  if (times.length === 0) return null
  const trial = asked[thumbprint]
  const isAway = trial !== undefined && !trial.hasAnswered && now - trial.first >= PATIENCE
  return !isAway && now - Math.max(...times) < EXCUSED_AFTER ? 1 : 2
}

/** It has accepted the key, or was asked with it for so long without any answer that its word is not waited for. */
export function hasPassed(
  { thumbprint }: KeyFacts,
  { id }: UpstreamFacts,
  { records, now }: Pick<Line, 'records' | 'now'>,
): boolean {
  const { accepted, asked } = records.get(id) ?? NO_RECORD
  if (accepted[thumbprint] !== undefined) return true
  const trial = asked[thumbprint]
  return trial !== undefined && !trial.hasAnswered && now - trial.first >= EXCUSED_AFTER
}
