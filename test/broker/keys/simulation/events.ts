/** What happens when, in the order of time; at one moment in the order in which it was planned. */
export class Events {
  readonly #heap: { at: number; nth: number; run: () => void }[] = []
  #nth = 0
  now = 0

  at(at: number, run: () => void): void {
    const heap = this.#heap
    heap.push({ at: Math.max(at, this.now), nth: this.#nth++, run })
    for (let child = heap.length - 1; child > 0; ) {
      const parent = (child - 1) >> 1
      if (!this.#isBefore(child, parent)) break
      this.#swap(child, parent)
      child = parent
    }
  }

  after(delay: number, run: () => void): void {
    this.at(this.now + delay, run)
  }

  /** Until that moment, or until it is said to be over. */
  run(until: number, isOver: () => boolean): void {
    for (;;) {
      const next = this.#take(until)
      if (next === null || isOver()) return
      this.now = next.at
      next.run()
    }
  }

  #take(until: number): { at: number; run: () => void } | null {
    const heap = this.#heap
    const [first] = heap
    if (first === undefined || first.at > until) return null
    const last = heap.pop()
    if (last !== undefined && last !== first) {
      heap[0] = last
      for (let parent = 0; ; ) {
        let least = parent
        for (const child of [2 * parent + 1, 2 * parent + 2])
          if (child < heap.length && this.#isBefore(child, least)) least = child
        if (least === parent) break
        this.#swap(least, parent)
        parent = least
      }
    }
    return first
  }

  #isBefore(a: number, b: number): boolean {
    const [one, other] = [this.#heap[a], this.#heap[b]]
    if (!one || !other) return false
    return one.at < other.at || (one.at === other.at && one.nth < other.nth)
  }

  #swap(a: number, b: number): void {
    const [one, other] = [this.#heap[a], this.#heap[b]]
    if (!one || !other) return
    this.#heap[a] = other
    this.#heap[b] = one
  }
}
