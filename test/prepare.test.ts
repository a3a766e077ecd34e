import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { expect, test } from 'vitest'
import { folderWith } from './support/keys.ts'
import { PROJECT } from './support/processes.ts'

const ROOT = 0
const SOMEBODY = 1000

/** A command that notes how it was called. */
const noting = (rest: string): string => `#!/bin/sh\necho "\${0##*/} $*" >> "$LOG"\n${rest}\n`

/** `prepare.ts` where one package is missing, with an apt-get and a sudo that only note how they are called. */
function prepare({ uid, sudo, install }: { uid: number; sudo: boolean; install?: '0' }) {
  const folder = folderWith({
    'test/debian-packages.txt': '# a comment\nhere /etc/debian_version\nfar-away /nowhere/at/all\n',
    'bin/apt-get': noting('echo "$DEBIAN_FRONTEND $RUNLEVEL" >> "$LOG"'),
    'bin/sudo': noting(sudo ? 'shift; exec "$@"' : 'exit 1'),
    calls: '',
  })
  for (const name of ['prepare.ts', 'support/console.ts'])
    cpSync(join(PROJECT, 'test', name), join(folder, 'test', name))
  for (const name of ['apt-get', 'sudo']) chmodSync(join(folder, 'bin', name), 0o755)
  const log = join(folder, 'calls')
  const isUid = `data:text/javascript,process.getuid=()=>${uid}`
  const { status, stdout } = spawnSync(
    process.execPath,
    ['--import', isUid, join(folder, 'test', 'prepare.ts')],
    {
      env: { PATH: `${join(folder, 'bin')}:/usr/bin:/bin`, LOG: log, LOCKSTEP_INSTALL: install },
      encoding: 'utf8',
    },
  )
  return { status, stdout, calls: readFileSync(log, 'utf8').trim().split('\n') }
}

const APT = ['-q -y update', '-q -y install --no-install-recommends far-away'].map(
  args => `apt-get ${args}`,
)
const QUIET = 'noninteractive 1'

test('root installs what is missing, and that alone', () => {
  const { status, calls } = prepare({ uid: ROOT, sudo: true })
  expect([status, calls]).toEqual([0, APT.flatMap(each => [each, QUIET])])
})

test('a sudo that asks for no password does, with the same words', () => {
  const { status, calls } = prepare({ uid: SOMEBODY, sudo: true })
  const env = 'sudo -n env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1'
  expect([status, calls]).toEqual([
    0,
    ['sudo -n true', ...APT.flatMap(each => [`${env} ${each}`, each, QUIET])],
  ])
})

test('who may not install is told what to install', () => {
  const { status, stdout, calls } = prepare({ uid: SOMEBODY, sudo: false })
  expect([status, calls]).toEqual([1, ['sudo -n true']])
  expect(stdout).toContain('apt-get install --no-install-recommends far-away')
})

test('LOCKSTEP_INSTALL=0 forbids it, even to ask', () => {
  const { status, calls } = prepare({ uid: SOMEBODY, sudo: true, install: '0' })
  expect([status, calls]).toEqual([1, ['']])
})
