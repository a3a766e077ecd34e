import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type ClientWorld, makeClientWorld } from '../support/client-world.ts'
import { PROJECT } from '../support/processes.ts'

const run = promisify(execFile)

let world: ClientWorld
beforeAll(async () => {
  world = await makeClientWorld()
})
afterAll(() => world.close())
beforeEach(() => world.sync())

/** The programs of the manual's chapter, by the heading that they stand under. */
interface Program {
  heading: string
  language: string
  text: string
}
function programs(): Program[] {
  const manual = readFileSync(join(PROJECT, 'broker', 'README.md'), 'utf8')
  const chapter = manual.split(/^## /m).find(each => each.startsWith('For service developers\n'))
  return (chapter ?? '').split(/^### /m).flatMap((section, at) =>
    [...section.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].map(([, language = '', text = '']) => ({
      ...{ heading: at === 0 ? '' : (section.split('\n')[0] ?? ''), language, text },
    })),
  )
}

/** What runs a program in a language, given the name of its file. */
const LANGUAGES: Record<string, (file: string) => Promise<[string, ...string[]]>> = {
  sh: async file => ['/bin/sh', '-e', file],
  js: async file => [process.execPath, file],
  python: async file => ['/usr/bin/python3', file],
  go: async file => {
    const env = {
      ...world.environment,
      ...{ GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOCACHE: join(world.home, 'go') },
    }
    const made = join(world.home, 'made')
    await run('/usr/bin/go', ['build', '-o', made, file], { env, cwd: world.home })
    return [made]
  },
}
const SUFFIX: Record<string, string> = { js: 'mjs', python: 'py' }

async function outputOf({ language, text }: Program, clientId: string): Promise<string> {
  const file = join(world.home, `program.${SUFFIX[language] ?? language}`)
  writeFileSync(file, text)
  const [command, ...args] = (await LANGUAGES[language]?.(file)) ?? ['']
  const env = { ...world.environment, CLIENT_ID: clientId }
  const { stdout } = await run(command, args, { env, cwd: world.home })
  return stdout
}

const BY_SECRET = { service: 'scheduling', method: 'client_secret_basic' }
const BY_KEY = { service: 'signer', method: 'private_key_jwt' }
const BY_POD = { service: 'pod', method: 'workload_jwt' }

/** Who each program comes in as, and how. */
const RUN: [heading: string, language: string, as: { service: string; method: string }][] = [
  ['By hand: curl', 'sh', BY_SECRET],
  ['Node: openid-client', 'js', BY_SECRET],
  ['Node: simple-oauth2', 'js', BY_SECRET],
  ['Python: Authlib', 'python', BY_SECRET],
  ['Go: golang.org/x/oauth2', 'go', BY_SECRET],
  ['Without a secret: a key of your own', 'js', BY_KEY],
  ['Without a secret: a key of your own', 'python', BY_KEY],
  ['Without a secret: a pod in Kubernetes', 'sh', BY_POD],
  ['Without a secret: a pod in Kubernetes', 'js', BY_POD],
]
const REPORTS = 'When the EHR answers 401'

test.each(RUN)('%s, %s: the manual’s program reads a patient, as it stands', async (...row) => {
  const [heading, language, as] = row
  const found = programs().filter(each => each.heading === heading && each.language === language)
  const [program] = found
  if (program === undefined || found.length > 1) throw new Error(`${found.length} programs`)
  expect(await outputOf(program, as.service)).toContain('Lopez')
  expect((await world.audit()).at(-1)).toMatchObject({ decision: 'granted', ...as })
})

test(`${REPORTS}: the manual’s program reports it, and reads the patient with a new one`, async () => {
  const program = programs().find(({ heading }) => heading === REPORTS)
  if (program === undefined) throw new Error('no program')
  await world.app.inject('/healthz')
  await outputOf(program, 'scheduling')
  world.epic.forgetTokens()
  const [before, calls] = [(await world.audit()).length, world.epic.tokenRequests]
  expect(await outputOf(program, 'scheduling')).toContain('Lopez')
  const records = (await world.audit()).slice(before)
  expect(records.map(({ action, decision }) => [action, decision])).toEqual([
    ...[
      ['token', 'granted'],
      ['report', 'granted'],
      ['token', 'granted'],
    ],
  ])
  expect(world.epic.tokenRequests).toBe(calls + 1)
})

test('no program of the chapter is left out but the Java one', () => {
  const ran = [...RUN.map(([heading, language]) => [heading, language]), [REPORTS, 'js']]
  const settings = [
    ['', 'sh'],
    ['Java: java.net.http', 'java'],
  ]
  const written = programs()
    .filter(({ language }) => language !== 'yaml')
    .map(({ heading, language }) => [heading, language])
  expect(written.sort()).toEqual([...ran, ...settings].sort())
})
