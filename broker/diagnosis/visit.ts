import { openFetch } from '../../keys-pipeline/published.ts'
import type { Visit } from './gather.ts'

/** Seconds for each look. */
const DEADLINE = 10

/** Looks over connections of their own, as a stranger makes them. `elapsed` is a clock in milliseconds. */
export const visitWith =
  (elapsed: () => number): Visit =>
  async (url, headers, ca) => {
    const { visit, close } = openFetch(ca ?? undefined, elapsed, { headers, deadline: DEADLINE })
    try {
      return await visit(url)
    } finally {
      await close()
    }
  }
