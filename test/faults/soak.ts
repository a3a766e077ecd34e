import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { machine } from '../bench/bench.ts'
import { say } from '../support/console.ts'
import { faultsOf, reportOf, rowsOf } from './soak/report.ts'
import { soak } from './soak/run.ts'

/** Minutes. */
const [USUAL, MOST] = [10, 600]
/** Requests per second. */
const RATE = { usual: 150, most: 1000 }

const USAGE = `npm run soak [-- --minutes N] [--seed N] [--json FILE]

Two brokers that share a redis-server hand out tokens of local EHRs, ${RATE.usual} requests a second, while everything around
them fails in turn: EHRs, the store, the disk, the clock, the config, the keys, the brokers themselves. Exit 1 where a
token was wrong, an audit record is missing, or memory grows. ${USUAL} minutes unless it is told otherwise, at most ${MOST}; the
same seed brings the same faults. What is counted: test/faults/README.md`

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      minutes: { type: 'string', default: `${USUAL}` },
      seed: { type: 'string', default: `${Date.now() % 2 ** 31}` },
      rate: { type: 'string', default: `${RATE.usual}` },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) {
    say(USAGE)
    return 0
  }
  const [minutes, seed, rate] = [values.minutes, values.seed, values.rate].map(Number) as [
    ...[number, number, number],
  ]
  const isGood = minutes >= 1 && minutes <= MOST && rate >= 1 && rate <= RATE.most
  if (!isGood || !Number.isInteger(seed)) {
    say(
      `--minutes is a number from 1 to ${MOST}, --rate one from 1 to ${RATE.most}, --seed a whole one.\n\n${USAGE}`,
    )
    return 2
  }
  say(`${machine()}\nseed ${seed}, ${minutes} minutes\n`)
  const soaked = await soak({ minutes, seed, rate, tell: say })
  say(`\n${reportOf(soaked)}`)
  if (values.json !== undefined) {
    const file = resolve(process.env['INIT_CWD'] ?? process.cwd(), values.json)
    const { lives, ...told } = soaked
    const report = { bench: 'soak', machine: machine(), rows: rowsOf(soaked), ...told, lives }
    writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`)
  }
  const faults = faultsOf(soaked)
  say(
    faults.length > 0
      ? `\nBroken:\n${faults.map(each => `  ${each}`).join('\n')}`
      : '\nAll rules held.',
  )
  return faults.length > 0 ? 1 : 0
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!(error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS')) throw error
  say(`${(error as Error).message}\n\n${USAGE}`)
  process.exitCode = 2
}
