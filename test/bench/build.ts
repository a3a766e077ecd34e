import { execFile } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { KEYS_CLI } from '../support/processes.ts'
import { atLeast, type Bench, median } from './bench.ts'

const run = promisify(execFile)
const SIZES = [100, 1000, 10_000]
/** No set may have more: many keys are many sets. */
const PER_SET = 100
const ROUNDS = 3

export const build: Bench = {
  name: 'build',
  title: `public keys read, judged and made a set of, ${PER_SET} to a folder`,
  run: async tell => {
    const folder = mkdtempSync(join(tmpdir(), 'lockstep-bench-'))
    try {
      const keys = Array.from({ length: PER_SET }, () =>
        generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({
          ...{ type: 'spki', format: 'pem' },
        }),
      )
      const most = Math.max(...SIZES) / PER_SET
      const folders = Array.from({ length: most }, (_, at) => join(folder, `${at}`))
      for (const each of folders) {
        mkdirSync(each)
        for (const [at, pem] of keys.entries()) writeFileSync(join(each, `${at}.pem`), pem)
      }
      const timeOf = async (size: number): Promise<number> => {
        const began = performance.now()
        const chosen = folders.slice(0, size / PER_SET)
        await run(process.execPath, [KEYS_CLI, 'check', ...chosen], { env: process.env })
        return (performance.now() - began) / 1000
      }
      const times = new Map<number, number[]>(SIZES.map(size => [size, []]))
      for (let nth = 0; nth < ROUNDS; nth++)
        for (const size of SIZES) times.get(size)?.push(await timeOf(size))
      const [few = 0, some = 0, many = 0] = SIZES.map(size => median(times.get(size) ?? []))
      tell(
        `  ${SIZES.map((size, at) => `${size}: ${[few, some, many][at]?.toFixed(2)} s`).join(' · ')}`,
      )
      const [least = 0, middle = 0, largest = 0] = SIZES
      // Two sizes have the start of the process in common.
      const slow = (some - few) / (middle - least)
      const fast = (many - some) / (largest - middle)
      const [rate, ratio] = [1 / fast, fast / slow]
      return [
        {
          ...{ what: 'keys_rate', value: rate, unit: '1/s', ratio: rate / 5000 },
          ...{ against: '5,000 keys a second', needs: atLeast(rate / 5000, 1) },
        },
        {
          ...{ what: 'time_per_key', value: fast * 1e6, unit: 'µs', ratio },
          against: 'the same from 100 to 1,000',
          needs: { text: '0.5 to 1.5', isMet: ratio >= 0.5 && ratio <= 1.5 },
        },
      ]
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
}
