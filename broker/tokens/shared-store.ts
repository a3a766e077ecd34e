/** What several brokers share. Whatever it says is a hint: any of these may reject, and then nothing is shared. */
export interface SharedStore {
  get: (key: string) => Promise<string | null>
  /** `life` in milliseconds: housekeeping, since values carry their own end. */
  put: (key: string, value: string, life: number) => Promise<void>
  /** Whether the lock is now this owner's. It ends by itself after `life` milliseconds. */
  lock: (key: string, owner: string, life: number) => Promise<boolean>
  /** Nothing happens where the lock is another's by now. */
  unlock: (key: string, owner: string) => Promise<void>
}
