import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { expect, onTestFinished, test } from 'vitest'
import { inParallel } from '../../../broker/in-parallel.ts'
import { chanceFrom } from '../../support/chance.ts'
import { movedClock } from '../../support/clock.ts'
import { GitHubServer } from '../../support/github-server.ts'
import { folderWith } from '../../support/keys.ts'
import { PROJECT, run } from '../../support/processes.ts'
import { publicKeysIn, REST } from '../../support/rotation-engine.ts'
import {
  committed,
  FIRST,
  keyFolder,
  settledRoom,
  switchOver,
} from '../../support/rotation-room.ts'

const LONG = process.env['LOCKSTEP_LONG'] === '1'
const WORKER = join(PROJECT, 'test', 'support', 'rotation-process.ts')
const KILLER = ['--import', join(PROJECT, 'test', 'support', 'kill-at.ts')]

type Files = Record<string, string>

/** A folder and a repository as they were at some moment, from which any number of processes may go on. */
interface Moment {
  folder: string
  main: Files
  now: number
  order: 'rotate' | ''
}

/** A first key that signs, and nothing under way. */
async function atFirst(): Promise<Moment> {
  const folder = keyFolder()
  return { folder, main: committed(folder) as Files, now: movedClock().now(), order: 'rotate' }
}

/** The old key has rested, and is to be withdrawn. */
async function rested(): Promise<Moment> {
  const github = await new GitHubServer().start()
  const room = settledRoom({ github })
  await switchOver(room, github)
  room.clock.advance(REST)
  room.look()
  room.keys.close()
  room.stop()
  await github.stop()
  return { folder: room.folder, main: github.git.files('main'), now: room.clock.now(), order: '' }
}

/** The old key is gone from the published set, and its private half is to be put away. */
async function withdrawn(): Promise<Moment> {
  const { main, ...others } = await rested()
  const gone = Object.entries(main).filter(([, text]) => JSON.parse(text).kid !== FIRST)
  return { ...others, main: Object.fromEntries(gone) }
}

interface Kill {
  /** What is counted: changes of files by broker/keys/, the same half done, requests, and answers. */
  by: 'KILL_AT' | 'KILL_HALF' | 'KILL_REQUEST' | 'KILL_ANSWER'
  at: number
}

/** As many of each as there are from the moment to its end. */
const PHASES: [string, () => Promise<Moment>, Partial<Record<Kill['by'], number>>][] = [
  ['a key is made', atFirst, { KILL_AT: 37, KILL_HALF: 5, KILL_REQUEST: 17, KILL_ANSWER: 17 }],
  ['a key is withdrawn', rested, { KILL_AT: 15, KILL_HALF: 2, KILL_REQUEST: 17, KILL_ANSWER: 17 }],
  ['a private key is put away', withdrawn, { KILL_AT: 14, KILL_HALF: 1 }],
]

/** The folder's own copy, and a repository that no other process has. */
async function begin({ folder, main, now, order }: Moment) {
  const github = await new GitHubServer().start()
  onTestFinished(() => github.stop())
  github.git.commit(main)
  const own = folderWith()
  cpSync(folder, own, { recursive: true })
  writeFileSync(join(own, 'published.json'), JSON.stringify(main))
  const work = (env: Record<string, string> = {}) =>
    run(WORKER, [own, github.url, `${now}`, order], { env, nodeOptions: KILLER })
  return { github, own, work }
}

function privateFiles(folder: string, below = ''): string[] {
  const place = join(folder, 'private', below)
  const names = readdirSync(place).filter(name => name.endsWith('.private.jwk.json'))
  return names.map(name => join(place, name))
}

async function killedAt({ by, at }: Kill, moment: Moment): Promise<void> {
  const { github, own, work } = await begin(moment)
  const env = by === 'KILL_HALF' ? { KILL_AT: `${at}`, KILL_HALF: '1' } : { [by]: `${at}` }
  const killed = await work({ KILL_IN: '/broker/keys/', KILL_AT: '0', ...env })
  expect([killed.signal, killed.stderr], `${by} ${at}`).toEqual(['SIGKILL', ''])
  const again = await work()
  expect([again.code, again.stderr], `${by} ${at}`).toEqual([0, ''])
  const writes = github.writes().length
  await work()
  expect(github.writes(), `${by} ${at}`).toHaveLength(writes)
  expect(github.violations).toEqual([])
  holds(own, github, moment)
}

/** Two keys, of which one is put away once it is gone, and one pull request for each that comes or goes. */
function holds(own: string, github: GitHubServer, { main }: Moment): void {
  const isGone = !publicKeysIn(main).some(({ jwk }) => jwk.kid === FIRST)
  const [here, away] = [privateFiles(own), isGone ? privateFiles(own, 'retired') : []]
  expect([here.length, away.length]).toEqual(isGone ? [1, 1] : [2, 0])
  expect(github.pulls.map(({ state }) => state)).toEqual(isGone ? [] : ['open'])
  for (const file of [...here, ...away]) expect(statSync(file).mode & 0o777).toBe(0o600)
  const kids = [...here, ...away].map(file => JSON.parse(readFileSync(file, 'utf8')).kid)
  for (const { head } of github.pulls) {
    expect(kids).toEqual(expect.arrayContaining(kidsOn(github, head)))
    // The commit that the branch began with, and ours.
    const tip = github.git.refs.get(`heads/${head}`) ?? ''
    expect(github.git.history(tip)).toHaveLength(2)
  }
}

const kidsOn = ({ git }: GitHubServer, branch: string): string[] =>
  publicKeysIn(git.files(branch)).map(({ jwk }) => jwk.kid)

const { percent } = chanceFrom(Number(process.env['LOCKSTEP_SEED']))

test.each(PHASES)(
  'killed while %s, it goes on, with no second key and no second pull request',
  {
    timeout: 600_000,
  },
  async (_, prepare, most) => {
    const moment = await prepare()
    const kills = Object.entries(most).flatMap(([by, count]) =>
      Array.from({ length: count }, (_, at) => ({ by: by as Kill['by'], at: at + 1 })),
    )
    const chosen = LONG ? kills : kills.filter((_, at) => at === 0 || percent(3))
    await inParallel(2, chosen, kill => killedAt(kill, moment))
  },
)
