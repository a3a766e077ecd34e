/**
 * At most one piece of work per key at a time; whoever asks meanwhile gets the same promise, good or bad. The work
 * belongs to no caller, so one that goes away strands nobody. Nothing is remembered once it settles.
 */
export function singleFlight<T>(): (key: string, work: () => Promise<T>) => Promise<T> {
  const flights = new Map<string, Promise<T>>()
  return (key, work) => {
    const flying = flights.get(key)
    if (flying !== undefined) return flying
    const flight = work().finally(() => flights.delete(key))
    flights.set(key, flight)
    return flight
  }
}
