import type { Clock } from '../clock.ts'
import { BrokerError } from '../errors.ts'

/** States that are remembered at a time; each was sealed by us, so that only a flood brings as many. */
const MOST = 100_000

/**
 * What one process remembers of the states that were used, until they could not come again. It is in memory, since a
 * write that waits for the disk would let strangers stop the process: after a restart an answer that comes twice is
 * refused by the EHR, which takes a code once. Refused: `rate_limited`.
 */
export function openSpent(
  clock: Clock,
  most = MOST,
): (state: string, until: number) => Promise<boolean> {
  const spent = new Map<string, number>()
  return async (state, until) => {
    const now = clock().wall
    if ((spent.get(state) ?? 0) > now) return false
    if (spent.size >= most) for (const [known, end] of spent) if (end <= now) spent.delete(known)
    if (spent.size >= most) throw new BrokerError('rate_limited')
    spent.set(state, until)
    return true
  }
}
