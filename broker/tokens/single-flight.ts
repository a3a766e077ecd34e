/** At most one piece of work per key at a time. */
export interface Flights<T> {
  /**
   * The work's result; whoever asks meanwhile gets the same promise, good or bad. The work belongs to no caller, so one
   * that goes away strands nobody. Nothing is remembered once it settles.
   */
  run: (key: string, work: () => Promise<T>) => Promise<T>
  /** The result of the work that is under way. */
  underWay: (key: string) => Promise<T> | undefined
}

export function singleFlight<T>(): Flights<T> {
  const flights = new Map<string, Promise<T>>()
  return {
    run: (key, work) => {
      const flying = flights.get(key)
      if (flying !== undefined) return flying
      const flight = work().finally(() => flights.delete(key))
      flights.set(key, flight)
      return flight
    },
    underWay: key => flights.get(key),
  }
}
