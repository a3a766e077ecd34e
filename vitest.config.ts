import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { defineConfig } from 'vitest/config'

/** Randomised tests repeat a failure with LOCKSTEP_SEED; LOCKSTEP_LONG=1 runs ten times as many cases. */
const seed = process.env['LOCKSTEP_SEED'] ?? `${Date.now() % 2 ** 31}`
process.stdout.write(`seed of the randomised tests: ${seed}\n`)

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/support/random.ts'],
    env: {
      LOCKSTEP_SEED: seed,
      // Tests start hundreds of processes: each of them would compile the same modules anew.
      NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules/.cache/compiled'),
    },
    // It ends what hangs, and judges no machine's speed.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // The code keeps no state in modules, so files may share a worker: it saves importing the same ones 280 times.
    isolate: false,
    maxWorkers: Math.min(4, Math.max(2, availableParallelism())),
    // GitHub's workflow parser imports JSON without saying so, which Node refuses and Vite does not.
    server: { deps: { inline: [/@actions\//] } },
  },
})
