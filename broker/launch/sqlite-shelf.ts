import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { Clock } from '../clock.ts'
import type { Shelf } from './shelf.ts'

/** Rows that are looked through at a time. */
const BATCH = 100

/** Of SQLite's own file, so that another program's is not taken for ours. */
const APPLICATION_ID = 0x4c6f636b

const TABLE = `CREATE TABLE IF NOT EXISTS shelf (
  key TEXT PRIMARY KEY, value TEXT NOT NULL, version INTEGER NOT NULL, until INTEGER NOT NULL
) STRICT, WITHOUT ROWID`

/**
 * A file of SQLite's. What was written stays written when the process is killed or the power fails; what is deleted is
 * overwritten. The file must be there already, with the mode that it should have, or be `:memory:`.
 */
export function openSqliteShelf(path: string, clock: Clock): Shelf {
  const database = new DatabaseSync(path, { timeout: 5_000 })
  for (const pragma of [
    ...['journal_mode = DELETE', 'synchronous = EXTRA', 'secure_delete = ON'],
    `application_id = ${APPLICATION_ID}`,
  ])
    database.exec(`PRAGMA ${pragma}`)
  database.exec(TABLE)
  const make = (sql: string): StatementSync => database.prepare(sql)
  const get = make('SELECT value, version FROM shelf WHERE key = ? AND until > ?')
  const insert = make(
    'INSERT INTO shelf VALUES (?1, ?2, 1, ?3) ON CONFLICT (key) DO UPDATE SET value = ?2, version = version + 1, until = ?3 WHERE until <= ?4',
  )
  const update = make(
    'UPDATE shelf SET value = ?2, version = version + 1, until = ?3 WHERE key = ?1 AND version = ?5 AND until > ?4',
  )
  const remove = make('DELETE FROM shelf WHERE key = ?')
  const sweep = make('DELETE FROM shelf WHERE until <= ?')
  const after = make(
    'SELECT key, value, version, until FROM shelf WHERE key > ? AND until > ? ORDER BY key LIMIT ?',
  )
  const now = (): number => clock().wall
  return {
    get: async key => {
      const row = get.get(key, now())
      return row ? { value: String(row['value']), version: Number(row['version']) } : null
    },
    put: async (key, value, version, until) => {
      const result =
        version === null
          ? insert.run(key, value, Math.ceil(until), now())
          : update.run(key, value, Math.ceil(until), now(), version)
      return result.changes === 1
    },
    remove: async key => void remove.run(key),
    all: async function* () {
      for (let last = ''; ; ) {
        const rows = after.all(last, now(), BATCH)
        for (const { key, value, version, until } of rows)
          yield {
            ...{ key: String(key), value: String(value) },
            ...{ version: Number(version), until: Number(until) },
          }
        if (rows.length < BATCH) return
        last = String(rows.at(-1)?.['key'])
      }
    },
    sweep: async () => void sweep.run(now()),
    close: () => database.close(),
  }
}
