/** What a look at the published set of an environment found; null where it can tell nothing. */
export type Look = {
  /** Thumbprints. */
  keys: readonly string[]
  /** Seconds for which a proxy that many share, and an EHR by itself, may keep it. */
  life: Life
} | null

export interface Life {
  shared: number
  own: number
}

/** Several looks at once: over each address family, with and without a cache-buster. */
export interface Round {
  /** Milliseconds since the epoch, when the last of them had ended. */
  at: number
  looks: readonly Look[]
}

/** Milliseconds since the epoch. */
export interface Sighting {
  /** The first round that had the key after the last one that had not; null while it is not known to be live. */
  liveSince: number | null
  lastPresent: number | null
  lastAbsent: number | null
}

/** What was seen of one environment's set, kept through restarts. */
export interface Watched {
  /** The first round that could tell anything, the last round, and the last that could; milliseconds since the epoch. */
  began: number | null
  lastRound: number | null
  lastTold: number | null
  /** By thumbprint. */
  sightings: Readonly<Record<string, Sighting>>
  /** Lives that were served, each with the first time and the last at which it may have been. */
  lives: readonly (Life & { first: number; last: number })[]
}

export const NOTHING_SEEN: Watched = {
  ...{ began: null, lastRound: null, lastTold: null },
  ...{ sightings: {}, lives: [] },
}

const NEVER: Sighting = { liveSince: null, lastPresent: null, lastAbsent: null }

/**
 * A round is present for a key only if all looks have it, and absent if any valid set lacks it; where some looks failed
 * and the rest have it, it says nothing. What says nothing neither advances nor resets anything.
 */
export function afterRound(watched: Watched, { at, looks }: Round): Watched {
  const told = looks.filter(look => look !== null)
  if (told.length === 0) return { ...watched, lastRound: at }
  const names = new Set([
    ...Object.keys(watched.sightings),
    ...told.flatMap(({ keys }) => [...keys]),
  ])
  const sightings: Record<string, Sighting> = {}
  for (const name of names) {
    const before = watched.sightings[name] ?? NEVER
    const has = told.filter(({ keys }) => keys.includes(name)).length
    if (has < told.length) sightings[name] = { ...before, liveSince: null, lastAbsent: at }
    else if (told.length < looks.length) sightings[name] = before
    else sightings[name] = { ...before, liveSince: before.liveSince ?? at, lastPresent: at }
  }
  return {
    ...{ began: watched.began ?? at, lastRound: at, lastTold: at, sightings },
    lives: told.reduce(
      (lives, { life }) => withLife(lives, life, at),
      kept(perhapsServed(watched, at), at),
    ),
  }
}

/** What is known of a key; one that no round had is absent by the last that could tell. */
export const sightingOf = (watched: Watched, thumbprint: string): Sighting =>
  watched.sightings[thumbprint] ?? { ...NEVER, lastAbsent: watched.lastTold }

/** Whether the last round that could tell had the key. */
export const isLive = (watched: Watched, thumbprint: string): boolean =>
  sightingOf(watched, thumbprint).liveSince !== null

/** Whether any round ever had it. */
export const wasLive = (watched: Watched, thumbprint: string): boolean =>
  sightingOf(watched, thumbprint).lastPresent !== null

/** The last round could tell nothing, or there was none yet. */
export const isBlind = ({ lastRound, lastTold }: Watched): boolean =>
  lastTold === null || lastTold !== lastRound

/** What was served at the last round that could tell may have been served until just before this one: nobody looked between. */
const perhapsServed = ({ lives, lastTold }: Watched, at: number): Watched['lives'] =>
  lives.map(each => (each.last === lastTold ? { ...each, last: at - 1 } : each))

/** A life counts for as long as a copy of then may be about, and a day beyond. */
const kept = (lives: Watched['lives'], at: number): Watched['lives'] =>
  lives.filter(({ shared, own, last }) => last + Math.max(shared, own) * 1000 + DAY > at)

const DAY = 24 * 60 * 60 * 1000

function withLife(lives: Watched['lives'], life: Life, at: number): Watched['lives'] {
  const isSame = (each: Life): boolean => each.shared === life.shared && each.own === life.own
  const before = lives.find(isSame)
  return [...lives.filter(each => !isSame(each)), { ...life, first: before?.first ?? at, last: at }]
}

/**
 * The longest life, in seconds, of any copy that may have been taken before that moment and may have outlived it; a life
 * that was served later as well counts as if it had been served just before. Zero where none is known.
 */
export function longestLife({ lives }: Watched, before: number, which: keyof Life): number {
  const counting = lives.filter(
    each =>
      each.first <= before && (each.last >= before || each.last + each[which] * 1000 > before),
  )
  return Math.max(0, ...counting.map(each => each[which]))
}
