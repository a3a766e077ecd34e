/**
 * Loaded with `node --import`: kills the process before the Nth call (KILL_AT) by which keys-pipeline/, or what KILL_IN
 * names, changes the file system, or, with KILL_HALF=1, in the middle of its Nth write; or once a file whose path matches
 * KILL_PATH, and its text KILL_TEXT, has been put in its place whole.
 */
import { createRequire, syncBuiltinESMExports } from 'node:module'
import process from 'node:process'

type Call = (...args: unknown[]) => unknown

const fs = createRequire(import.meta.url)('node:fs') as Record<string, Call>
const { openSync, writeSync, readFileSync } = fs
const at = Number(process.env['KILL_AT'])
const half = process.env['KILL_HALF'] === '1'
let calls = 0

function die(): never {
  process.kill(process.pid, 'SIGKILL')
  for (;;);
}

const ours = process.env['KILL_IN'] ?? '/keys-pipeline/'
const { KILL_PATH: path, KILL_TEXT: text = '' } = process.env

/** What was renamed or linked to there. */
const isAwaited = (to: unknown): boolean =>
  path !== undefined &&
  new RegExp(path).test(String(to)) &&
  new RegExp(text).test(String(readFileSync?.(to, 'utf8')))

const isOurs = (): boolean => new Error().stack?.includes(ours) ?? false

const changes = (name: string, args: unknown[]): boolean =>
  name !== 'openSync' || (typeof args[1] === 'string' && /[wa+]/.test(args[1]))

function wrap(name: string, original: Call): Call {
  return (...args) => {
    const counted = half ? name === 'writeSync' : changes(name, args)
    if (counted && isOurs() && ++calls === at) {
      const [file, bytes, offset] = args
      if (half && bytes instanceof Uint8Array) {
        const from = Number(offset ?? 0)
        writeSync?.(file, bytes, from, Math.floor((bytes.length - from) / 2))
      }
      die()
    }
    const result = original(...args)
    if (['renameSync', 'linkSync'].includes(name) && isAwaited(args[1])) die()
    return result
  }
}

if (openSync === undefined || writeSync === undefined) throw new Error('node:fs')
for (const name of [
  ...['openSync', 'writeSync', 'fsyncSync', 'closeSync', 'linkSync', 'renameSync', 'rmSync'],
  ...['mkdirSync', 'mkdtempSync', 'chmodSync', 'unlinkSync', 'rmdirSync', 'symlinkSync'],
  ...['writeFileSync', 'appendFileSync', 'copyFileSync', 'cpSync', 'truncateSync'],
]) {
  const original = fs[name]
  if (original) fs[name] = wrap(name, original)
}
syncBuiltinESMExports()
