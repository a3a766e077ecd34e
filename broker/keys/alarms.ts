import type { Environment } from '../../keys-pipeline/key-set.ts'
import { ALARMS, type AlarmCode } from '../alarm-table.ts'
import type { Hand, Taken } from './environment.ts'
import type { KeyFacts } from './key-facts.ts'
import { isLive } from './sightings.ts'
import type { KeyState } from './state.ts'

export interface Alarm {
  code: AlarmCode
  /** Milliseconds since the epoch. */
  since: number
  /** What it is about: kids, or ways and faults. */
  about: readonly string[]
}

export interface Log {
  info: (facts: object, message: string) => void
  warn: (facts: object, message: string) => void
  error: (facts: object, message: string) => void
}

export interface Alarms {
  /** Rings while it is about anything; told in the log when it begins, is about something else, and ends. */
  set: (code: AlarmCode, about: readonly string[], now: number) => void
  list: () => readonly Alarm[]
}

/** A log line names so many. */
const MOST_NAMED = 20

export function openAlarms(environment: Environment, log: Log): Alarms {
  const ringing = new Map<AlarmCode, Alarm>()
  return {
    set: (code, about, now) => {
      const before = ringing.get(code)
      const names = [...new Set(about)].sort()
      if (names.length === 0) {
        if (before) log.info({ environment, alarm: code }, 'alarm is over')
        ringing.delete(code)
        return
      }
      ringing.set(code, { code, since: before?.since ?? now, about: names })
      if (before && before.about.join() === names.join()) return
      log.error({ environment, alarm: code, about: names.slice(0, MOST_NAMED) }, ALARMS[code])
    },
    list: () =>
      (Object.keys(ALARMS) as AlarmCode[]).flatMap(code => {
        const alarm = ringing.get(code)
        return alarm ? [alarm] : []
      }),
  }
}

/** What each alarm that is to be seen in the keys is about; nothing where it is not to ring. */
export function alarmsOf({
  facts,
  hands,
  taken: { rules, held, upstreams },
  state: { watched, published },
}: {
  facts: readonly KeyFacts[]
  hands: ReadonlyMap<string, Hand | null>
  taken: Taken
  state: Pick<KeyState, 'watched' | 'published'>
}) {
  const inUse = new Map(
    [...hands.values()].flatMap(hand => (hand ? [[hand.key.thumbprint, hand]] : [])),
  )
  const kids = (keys: readonly KeyFacts[]): string[] => keys.map(({ kid }) => kid)
  const isSeen = ({ thumbprint }: KeyFacts): boolean => inUse.has(thumbprint)
  return [
    [
      'key_unclaimed',
      kids(facts.filter(each => !each.isHere && !rules.heldElsewhere.includes(each.kid))),
    ],
    ['no_key', upstreams.filter(({ id }) => hands.get(id) == null).map(({ id }) => id)],
    [
      'key_not_live',
      watched.lastTold === null
        ? []
        : kids(facts.filter(each => isSeen(each) && !isLive(watched, each.thumbprint))),
    ],
    [
      'revoked_live',
      kids(facts.filter(each => each.revokedAt !== null && isLive(watched, each.thumbprint))),
    ],
    [
      'guard_unproven',
      [
        ...new Set(
          [...hands.values()].flatMap(hand => (hand?.because === 'unproven' ? [hand.key.kid] : [])),
        ),
      ],
    ],
    [
      'key_published_otherwise',
      held.flatMap(({ key }) => {
        const named = published[key.thumbprint]
        return named && (named.kid !== key.kid || named.alg !== key.alg) ? [key.kid] : []
      }),
    ],
  ] as const
}
