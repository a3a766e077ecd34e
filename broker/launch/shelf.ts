/** A sealed value as it lies. Its version is 1 at first, and one more each time that it is written. */
export interface Row {
  value: string
  version: number
}

/** Where sealed values lie: a file, or what several brokers share. Any of these may reject. */
export interface Shelf {
  /** Null where there is none, or where its time is over. */
  get: (key: string) => Promise<Row | null>
  /**
   * Whether it was written, for good: only over that version, or where nothing lies if it is null. `until` is in
   * milliseconds since the epoch.
   */
  put: (key: string, value: string, version: number | null, until: number) => Promise<boolean>
  remove: (key: string) => Promise<void>
  /** Every key with its value, its version and its time, some at a time. */
  all: () => AsyncIterable<Row & { key: string; until: number }>
  /** Forgets what is over. */
  sweep: () => Promise<void>
  close: () => void
}
