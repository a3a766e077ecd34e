import { execFile, spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BROKER_CLI, freePort, KEYS_CLI, PROJECT, run } from '../support/processes.ts'

/** A copy of the project in which the README is followed, with a home of its own. */
let folder: string
let checkout: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lockstep-readme-'))
  checkout = join(folder, 'lockstep')
  cpSync(PROJECT, checkout, {
    recursive: true,
    filter: source => !/\/(node_modules|\.git|site\/out)$/.test(source),
  })
  symlinkSync(join(PROJECT, 'node_modules'), join(checkout, 'node_modules'))
  const git =
    'git init -q && git add -A && git -c user.name=x -c user.email=x@example.com commit -qm start'
  expect(await sh(git)).toMatchObject({ code: 0 })
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const environment = () => ({
  ...process.env,
  HOME: join(folder, 'home'),
  INIT_CWD: checkout,
  GIT_AUTHOR_NAME: 'x',
  GIT_AUTHOR_EMAIL: 'x@example.com',
  GIT_COMMITTER_NAME: 'x',
  GIT_COMMITTER_EMAIL: 'x@example.com',
})

function sh(command: string): Promise<{ code: number | null; output: string }> {
  return new Promise(resolve => {
    const child = execFile(
      'sh',
      ['-c', command],
      { cwd: checkout, env: environment() },
      (_, stdout, stderr) => resolve({ code: child.exitCode, output: stdout + stderr }),
    )
  })
}

/** Runs what goes on until it is stopped: until it says that it is up. */
function up(command: string, ready: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    // Its own group, since npm and a shell stand between us and the server.
    const child = spawn('sh', ['-c', command], {
      cwd: checkout,
      env: environment(),
      detached: true,
    })
    let output = ''
    const hear = (chunk: Buffer) => {
      output += chunk
      if (ready.test(output) && child.pid !== undefined) process.kill(-child.pid, 'SIGTERM')
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.on('close', () =>
      ready.test(output) ? resolve(output) : reject(new Error(`${command}\n${output}`)),
    )
  })
}

/** Commands that serve until they are stopped, and what they say when they are up. */
const SERVING: [RegExp, RegExp][] = [
  [/keys -- serve/, /serving http/],
  [/^npm start/, /"msg":"ready"/],
]

function commands(): string[] {
  const blocks = [
    ...readFileSync(join(checkout, 'README.md'), 'utf8').matchAll(/^```sh\n([\s\S]*?)^```/gm),
  ]
  return blocks.flatMap(block => (block[1] ?? '').split('\n')).filter(line => line !== '')
}

test('every command of the README works, in order, in a fresh checkout', {
  timeout: 120_000,
}, async () => {
  const lines = commands()
  expect(lines.length).toBeGreaterThan(10)
  let ran = 0
  for (const line of lines) {
    if (line.endsWith('# outside this machine')) continue
    for (const command of line
      .split(' && ')
      .filter(part => part !== 'npm ci' && part !== 'npm test')) {
      ran++
      const serving = SERVING.find(([pattern]) => pattern.test(command))
      if (command.startsWith('npm start')) await movePort()
      if (serving) await up(command, serving[1])
      else expect(await sh(command), command).toMatchObject({ code: 0 })
    }
  }
  expect(ran).toBeGreaterThan(10)
})

test('commands that are not run here are at least commands', async () => {
  const clis = Object.entries({ keys: KEYS_CLI, broker: BROKER_CLI })
  const helps = clis.map(async ([name, cli]) => {
    const { stdout } = await run(cli, ['--help'])
    return [name, stdout] as const
  })
  const offered = new Map(await Promise.all(helps))
  for (const line of commands().filter(each => each.endsWith('# outside this machine'))) {
    const [, cli = '', name] = /^npm run -s (keys|broker) -- ([a-z]+) /.exec(line) ?? []
    if (name === undefined) expect(['git', 'curl']).toContain(line.split(' ')[0])
    else expect(offered.get(cli)).toMatch(new RegExp(`^  ${name}\\b`, 'm'))
  }
})

/** The README's port may be taken on the machine that runs this. */
async function movePort(): Promise<void> {
  const file = join(checkout, 'broker.yaml')
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll('8400', `${await freePort()}`))
}
