/** Milliseconds. The wall clock can be set back; the monotonic one may stop while the machine sleeps. */
export interface Instant {
  wall: number
  monotonic: number
}

export type Clock = () => Instant

export const systemClock: Clock = () => ({ wall: Date.now(), monotonic: performance.now() })

/** Milliseconds from now to a moment `after` milliseconds past `since`: whichever clock says sooner. */
export function remaining(since: Instant, after: number, now: Instant): number {
  return Math.min(since.wall + after - now.wall, since.monotonic + after - now.monotonic)
}

/** A span that begins at an instant; milliseconds. */
export interface Span {
  since: Instant
  for: number
}

export const isOver = (span: Span, now: Instant): boolean =>
  remaining(span.since, span.for, now) <= 0
