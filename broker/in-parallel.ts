/**
 * The results in the order of the items, with at most so many under way at once. It fails with the first that fails,
 * and begins no other after that.
 */
export async function inParallel<T, R>(
  most: number,
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  const waiting = items.entries()
  let hasFailed = false
  const worker = async (): Promise<void> => {
    for (const [at, item] of waiting) {
      if (hasFailed) return
      results[at] = await work(item)
    }
  }
  const fail = (error: unknown): never => {
    hasFailed = true
    throw error
  }
  await Promise.all(Array.from({ length: most }, () => worker().catch(fail)))
  return results
}
