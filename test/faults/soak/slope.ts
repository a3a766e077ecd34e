/** One look at a figure; seconds. */
export interface Sample {
  at: number
  value: number
}

export interface Slope {
  /** By second. */
  slope: number
  /** Half the width of the interval in which the true one lies in 95 of 100 cases. */
  within: number
  samples: number
}

/** Blocks by whose means the line is drawn: looks that follow each other are not independent of each other. */
const BLOCKS = 12
/** Fewer looks than that say nothing. */
const LEAST_SAMPLES = 2 * BLOCKS

/** The line of least squares through the means of blocks of samples; null where there are too few. */
export function slopeOf(samples: readonly Sample[]): Slope | null {
  if (samples.length < LEAST_SAMPLES) return null
  const blocks = Array.from({ length: BLOCKS }, (_, nth) => {
    const edge = (of: number): number => Math.round((samples.length * of) / BLOCKS)
    const block = samples.slice(edge(nth), edge(nth + 1))
    return { at: mean(block.map(each => each.at)), value: mean(block.map(each => each.value)) }
  })
  const [x, y] = [mean(blocks.map(each => each.at)), mean(blocks.map(each => each.value))]
  const spread = sum(blocks.map(({ at }) => (at - x) ** 2))
  const slope = sum(blocks.map(({ at, value }) => (at - x) * (value - y))) / spread
  const freedom = BLOCKS - 2
  const rest = sum(blocks.map(({ at, value }) => (value - y - slope * (at - x)) ** 2)) / freedom
  return { slope, within: studentOf(freedom) * Math.sqrt(rest / spread), samples: samples.length }
}

/** Whether it says that the figure grows: zero is below the interval. */
export const grows = ({ slope, within }: Slope): boolean => slope - within > 0

const sum = (values: readonly number[]): number => values.reduce((all, each) => all + each, 0)
const mean = (values: readonly number[]): number => sum(values) / values.length

/** The 97.5 % point of Student's t. @see Abramowitz and Stegun, 26.7.5 */
function studentOf(freedom: number): number {
  const z = 1.959964
  return (
    z +
    (z ** 3 + z) / (4 * freedom) +
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2) +
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * freedom ** 3)
  )
}
