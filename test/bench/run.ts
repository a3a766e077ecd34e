import { writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { say } from '../support/console.ts'
import { type Bench, machine, type Report, reportOf, tableOf } from './bench.ts'
import { build } from './build.ts'
import { burst } from './burst.ts'
import { cold } from './cold.ts'
import { growth } from './growth.ts'
import { handout } from './handout.ts'
import { replicas } from './replicas.ts'
import { simulate } from './simulate.ts'
import { soak } from './soak.ts'
import { start } from './start.ts'
import { tenants } from './tenants.ts'
import { workloadJwt } from './workload-jwt.ts'

const ALL: readonly Bench[] = [
  handout,
  workloadJwt,
  burst,
  cold,
  growth,
  tenants,
  replicas,
  start,
  build,
  simulate,
  soak,
]

const USAGE = `npm run bench [-- <name>…] [-- --json FILE]

${ALL.map(({ name, title }) => `  ${name.padEnd(14)}${title}`).join('\n')}

All of them where none is named. Needs two cores, wrk and taskset (Debian: wrk, util-linux), and nothing else running:
a round in which a server did not have its core for itself does not count. What the figures mean: test/bench/README.md`

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { json: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  })
  if (values.help) {
    say(USAGE)
    return 0
  }
  const unknown = positionals.filter(name => !ALL.some(each => each.name === name))
  if (unknown.length > 0) {
    say(`There is no benchmark ${unknown.join(', ')}.\n\n${USAGE}`)
    return 2
  }
  if (availableParallelism() < 2) {
    say('Benchmarks need two cores: one for what is measured, one for what asks it.')
    return 2
  }
  const chosen = positionals.length > 0 ? ALL.filter(each => positionals.includes(each.name)) : ALL
  const reports: Report[] = []
  const missed: string[] = []
  say(machine())
  for (const { name, title, run } of chosen) {
    say(`\n${name}: ${title}`)
    const rows = await run(say)
    say(tableOf(rows))
    reports.push(reportOf(name, rows))
    missed.push(...rows.filter(each => each.needs?.isMet === false).map(each => each.what))
  }
  if (values.json !== undefined) {
    const file = resolve(process.env['INIT_CWD'] ?? process.cwd(), values.json)
    writeFileSync(file, `${JSON.stringify(reports.length === 1 ? reports[0] : reports, null, 2)}\n`)
  }
  if (missed.length > 0) say(`\nFall short: ${missed.join(', ')}`)
  return 0
}

process.exitCode = await main(process.argv.slice(2))
