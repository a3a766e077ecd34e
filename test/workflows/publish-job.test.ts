import { execFile, execFileSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { beforeEach, describe, expect, test } from 'vitest'
import { makeAuthority } from '../support/certificates.ts'
import { GitHubServer, REPOSITORY } from '../support/github-server.ts'
import { fill, folderWith, privateJwk } from '../support/keys.ts'
import { Pages, pack } from '../support/pages.ts'
import { KEYS_CLI, PROJECT, run } from '../support/processes.ts'
import { workflow } from './project.ts'

/** A clone in which the jobs of publish-keys.yml are run as a runner would, beside a GitHub and a Pages of its own. */
let folder: string
let clone: string
let pages: Pages
let github: GitHubServer
let ahead = 0

beforeEach(async () => {
  const authority = await makeAuthority()
  ahead = 0
  pages = await new Pages(await authority.issue(), () => Date.now() + ahead).start()
  github = await new GitHubServer().start()
  folder = folderWith({ 'ca.pem': authority.ca })
  clone = join(folder, 'clone')
  cpSync(PROJECT, clone, {
    recursive: true,
    // The jobs need nothing of these, and ten copies of them take time.
    filter: source => !/\/(node_modules|\.git|site\/out|test|broker)$/.test(source),
  })
  symlinkSync(join(PROJECT, 'node_modules'), join(clone, 'node_modules'))
  const settings = join(clone, 'keys-pipeline', 'publisher.yaml')
  const text = readFileSync(settings, 'utf8')
  writeFileSync(settings, text.replace('https://keys.example.com', pages.url))
  execFileSync('git', ['init', '-q'], { cwd: clone })
  commit()
  return async () => {
    await pages.stop()
    await github.stop()
    expect(github.violations).toEqual([])
  }
})

const keys = (...args: string[]) => run(KEYS_CLI, args, { cwd: clone, env: { HOME: folder } })
const keysFolder = () => join(clone, 'keys-pipeline', 'keys', 'nonprod')
const keyFiles = (): string[] =>
  readdirSync(keysFolder()).filter(name => name.endsWith('.jwk.json'))

async function newKey(): Promise<string> {
  const at = ['--keys', join(clone, 'keys-pipeline', 'keys')]
  const settings = ['--settings', join(clone, 'keys-pipeline', 'publisher.yaml')]
  const made = await keys('generate', '--alg', 'ES256', ...at, ...settings, '--json')
  return JSON.parse(made.stdout).kid
}

/** Commits what there is, here and at GitHub. */
function commit(): string {
  const git = ['-c', 'user.name=x', '-c', 'user.email=x@example.com']
  execFileSync('git', ['add', '-A'], { cwd: clone })
  execFileSync('git', [...git, 'commit', '-qm', 'x', '--allow-empty'], { cwd: clone })
  const paths = execFileSync('git', ['ls-files', 'keys-pipeline'], { cwd: clone }).toString()
  const names = paths.trim().split('\n')
  return github.git.commit(
    Object.fromEntries(names.map(name => [name, readFileSync(join(clone, name))])),
  )
}

interface Ended {
  code: number | null
  output: string
}

function sh(command: string, env: Record<string, string>): Promise<Ended> {
  return new Promise(resolve => {
    const child = execFile(
      'sh',
      ['-c', command],
      { cwd: clone, env: { ...process.env, ...env } },
      (_, out, err) => resolve({ code: child.exitCode, output: out + err }),
    )
  })
}

/** The `run` steps of a job, but for the install, until one fails; what they wrote for later steps. `verify` looks once. */
async function job(name: string, sha: string) {
  const outputs = join(folder, `${name}.outputs`)
  const summary = join(folder, `${name}.summary`)
  for (const file of [outputs, summary]) writeFileSync(file, '')
  const env = {
    ...{ CI: 'true', GITHUB_ACTIONS: 'true', GITHUB_TOKEN: 'token', INIT_CWD: clone },
    ...{ GITHUB_SHA: sha, GITHUB_REPOSITORY: REPOSITORY, GITHUB_API_URL: github.url },
    ...{ GITHUB_OUTPUT: outputs, GITHUB_STEP_SUMMARY: summary, HOME: folder },
    NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem'),
  }
  const { steps = [] } = workflow('publish-keys.yml').jobs[name] ?? {}
  const ran: string[] = []
  let output = ''
  let failed: string | null = null
  for (const step of steps) {
    if (!step.run || step.run.startsWith('npm ci')) continue
    if (step.if?.startsWith('hashFiles') && keyFiles().length === 0) continue
    const waits = step.run.includes('-- verify')
    const ended = await sh(waits ? `${step.run} --deadline 0` : step.run, env)
    output += ended.output
    ran.push(step.run)
    if (ended.code !== 0) {
      failed = step.run
      break
    }
  }
  const [written, shown] = [outputs, summary].map(file => readFileSync(file, 'utf8'))
  return { failed, output, ran, outputs: written, summary: shown }
}

/** The artifact as the workflow has it packed. */
function artifact(): Buffer {
  const { steps = [] } = workflow('publish-keys.yml').jobs['build'] ?? {}
  const upload = steps.find(step => step.uses?.startsWith('actions/upload-pages-artifact@'))
  const includeHiddenFiles = upload?.with?.['include-hidden-files'] === true
  return pack(join(clone, `${upload?.with?.['path']}`), { includeHiddenFiles })
}

/** Deployed, and recorded so, that many minutes ago. */
function deploy(sha: string, { minutes = 0, staleOrigin = 0, files = artifact() } = {}): void {
  pages.deploy(files, { staleOrigin })
  const created_at = `${new Date(Date.now() - minutes * 60_000).toISOString().slice(0, 19)}Z`
  github.deployments.unshift({
    ...{ id: github.deployments.length + 1, sha, environment: 'github-pages' },
    statuses: [{ state: 'success', created_at }],
  })
}

async function published(minutes: number): Promise<string> {
  const sha = commit()
  expect((await job('build', sha)).failed).toBeNull()
  deploy(sha, { minutes })
  return sha
}

test('before a first key the run ends green, with a notice and nothing to build', async () => {
  const judged = await job('judge-keys', commit())
  expect(judged).toMatchObject({ failed: null, outputs: 'begun=false\n' })
  expect(judged.output).toContain('::notice title=No key yet::')
})

test('a first key is judged, built, packed, served and proven live', async () => {
  const kid = await newKey()
  const sha = commit()
  const judged = await job('judge-keys', sha)
  expect(judged).toMatchObject({ failed: null, outputs: 'begun=true\n' })
  expect(judged.output).toContain('::notice title=First publication::')
  expect(judged.summary).toContain(kid)
  expect(await job('build', sha)).toMatchObject({ failed: null, outputs: 'newest=true\n' })
  deploy(sha)
  const verified = await job('verify', sha)
  expect([verified.failed, verified.ran.length]).toEqual([null, 2])
})

test('a rotation goes through: add, wait, retire', async () => {
  const old = await newKey()
  await published(120)
  await newKey()
  expect((await job('judge-keys', commit())).failed).toBeNull()
  await published(30)
  const retire = ['retire', old, '--environment', 'nonprod', '--reason', 'rotation', '--unreleased']
  const [at, settings] = [
    join(clone, 'keys-pipeline/keys'),
    join(clone, 'keys-pipeline/publisher.yaml'),
  ]
  expect((await keys(...retire, '--keys', at, '--settings', settings)).code).toBe(0)
  const judged = await job('judge-keys', commit())
  expect(judged.failed).toBeNull()
  expect(judged.summary).toContain('**goes** (unreleased: `rotation`)')
})

describe('a sabotage is found:', () => {
  test('an old commit is not put back', async () => {
    await newKey()
    const sha = commit()
    commit()
    fill(clone, { 'keys-pipeline/README.md': 'x' })
    commit()
    expect(await job('build', sha)).toMatchObject({ failed: null, outputs: 'newest=false\n' })
  })

  test('hidden files dropped', async () => {
    await newKey()
    const sha = commit()
    await job('build', sha)
    const files = pack(join(clone, 'site/out'), { includeHiddenFiles: false })
    deploy(sha, { files })
    const { failed, output } = await job('verify', sha)
    expect(failed).toContain('verify')
    expect(output).toContain('live_not_found')
  })

  test('a stale origin', async () => {
    await newKey()
    await published(60)
    await newKey()
    const sha = commit()
    await job('build', sha)
    deploy(sha, { staleOrigin: 3600 })
    const { failed, output } = await job('verify', sha)
    expect(failed).toContain('verify')
    expect(output).toContain('live_stale_origin')
    ahead = 3_700_000
    expect((await job('verify', sha)).failed).toBeNull()
  })

  test.each<[string, number, () => Promise<void>, string, RegExp]>([
    [
      'a key removed without a reason',
      120,
      async () => rmSync(join(keysFolder(), keyFiles()[0] ?? '')),
      'policy',
      /removal_without_reason/,
    ],
    [
      'a key removed before the other was live for the guard',
      5,
      async () => {
        const kid = keyFiles()[0]?.replace('.jwk.json', '') ?? ''
        const retire = ['retire', kid, '--environment', 'nonprod', '--reason', 'x', '--unreleased']
        const [at, settings] = [
          join(clone, 'keys-pipeline/keys'),
          join(clone, 'keys-pipeline/publisher.yaml'),
        ]
        await keys(...retire, '--keys', at, '--settings', settings)
      },
      'policy',
      /only_young_keys/,
    ],
    [
      'a private JWK',
      120,
      async () => fill(keysFolder(), { 'leak.json': privateJwk() }),
      'check',
      /private_member/,
    ],
    [
      'a whole environment that is gone',
      120,
      async () => {
        rmSync(keysFolder(), { recursive: true })
        mkdirSync(keysFolder())
        fill(keysFolder(), { '.gitkeep': '' })
      },
      'policy',
      /set_empty/,
    ],
    [
      'a key that nobody proved to hold',
      120,
      async () => {
        const path = join(keysFolder(), 'lifecycle.json')
        await newKey()
        writeFileSync(path, readFileSync(path, 'utf8').replace(/,\s*"proof": "[^"]*"/g, ''))
      },
      'policy',
      /proof_missing/,
    ],
    [
      'another URL',
      120,
      async () => {
        const path = join(clone, 'keys-pipeline/publisher.yaml')
        const text = readFileSync(path, 'utf8')
        writeFileSync(path, text.replace('path: nonprod/', 'path: test/'))
      },
      'policy',
      /url_changed/,
    ],
  ])('%s', async (_, minutes, sabotage, step, code) => {
    await newKey()
    await newKey()
    await published(minutes)
    await sabotage()
    const { failed, output } = await job('judge-keys', commit())
    expect(output).toMatch(code)
    expect(failed).toContain(step)
  })
})
