import { randomBytes } from 'node:crypto'
import { onTestFinished } from 'vitest'
import type { Clock } from '../../broker/clock.ts'
import type { Shelf } from '../../broker/launch/shelf.ts'
import { openSqliteShelf } from '../../broker/launch/sqlite-shelf.ts'
import { openVault, type Vault } from '../../broker/launch/vault.ts'
import { sealWith } from '../../broker/tokens/sealed.ts'

/** A vault in memory with a seal key of its own, until the test ends. */
export function openTestVault(clock: Clock): { shelf: Shelf; vault: Vault } {
  const shelf = openSqliteShelf(':memory:', clock)
  onTestFinished(() => shelf.close())
  const seal = sealWith([randomBytes(32)], () => randomBytes(12), 'connections')
  return { shelf, vault: openVault(shelf, seal, () => {}) }
}
