/** Milliseconds of the monotonic clock; what is not over yet has no end. */
export interface Span {
  from: number
  to: number
}

/** What was the case when, by name. */
export interface Timeline {
  /** It is the case from now on; returns how to say that it no longer is. */
  begin: (name: string) => () => void
  /** It was the case for a moment. */
  mark: (name: string) => void
  was: (name: string, from: number, to: number) => boolean
  spans: (name: string) => readonly Span[]
  /** Names of what is the case now. */
  present: () => string[]
}

export function openTimeline(now: () => number): Timeline {
  const all = new Map<string, Span[]>()
  const spans = (name: string): Span[] => {
    const known = all.get(name) ?? []
    all.set(name, known)
    return known
  }
  const begin = (name: string): (() => void) => {
    const span = { from: now(), to: Number.POSITIVE_INFINITY }
    spans(name).push(span)
    return () => {
      span.to = Math.min(span.to, now())
    }
  }
  return {
    ...{ begin, spans },
    mark: name => begin(name)(),
    was: (name, from, to) => spans(name).some(span => span.from <= to && span.to >= from),
    present: () => [...all].flatMap(([name, [...each]]) => (each.some(isOpen) ? [name] : [])),
  }
}

const isOpen = ({ to }: Span): boolean => to === Number.POSITIVE_INFINITY
