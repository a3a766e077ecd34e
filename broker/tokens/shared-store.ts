/** A value with the milliseconds that are left of it by the store's own clock, which all brokers share. */
export interface Stored {
  value: string
  left: number
}

/** What several brokers share. Whatever it says is a hint: any of these may reject, and then nothing is shared. */
export interface SharedStore {
  get: (key: string) => Promise<Stored | null>
  /** `life` in milliseconds. */
  put: (key: string, value: string, life: number) => Promise<void>
  /** Whether the lock is now this owner's. It ends by itself after `life` milliseconds. */
  lock: (key: string, owner: string, life: number) => Promise<boolean>
  /** Nothing happens where the lock is another's by now. */
  unlock: (key: string, owner: string) => Promise<void>
}

/** For what must not be lost where several write at the same moment. */
export interface SharedSheets extends Pick<SharedStore, 'get'> {
  /** Whether it was put: only where that value is there still, null for none. `life` in milliseconds. Rejects as the others. */
  replace: (key: string, before: string | null, value: string, life: number) => Promise<boolean>
}
