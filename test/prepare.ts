import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { say } from './support/console.ts'

/** The Debian packages that tests need, with a file of each that tells whether it is there. */
function missingPackages(): string[] {
  return readFileSync(join(import.meta.dirname, 'debian-packages.txt'), 'utf8')
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#'))
    .map(line => line.split(' '))
    .filter(([, file]) => file !== undefined && !existsSync(file))
    .map(([name]) => name ?? '')
}

/** What makes a command root’s: nothing for root, a sudo that asks no password, as on GitHub’s runners, or null. */
function byRoot(): string[] | null {
  if (process.getuid?.() === 0) return []
  return spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0 ? ['sudo', '-n'] : null
}

function apt(root: readonly string[], args: readonly string[]): boolean {
  // In runlevel 1 Debian's invoke-rc.d starts no service: the tests start their own, on free ports. By env, since sudo
  // lets no variable through.
  const quietly = ['env', 'DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1', 'apt-get', '-q', '-y']
  const [command = '', ...rest] = [...root, ...quietly, ...args]
  return spawnSync(command, rest, { stdio: ['ignore', 'ignore', 'inherit'] }).status === 0
}

const missing = missingPackages()
if (missing.length > 0) {
  const wanted = `The tests need Debian’s packages: ${missing.join(' ')}`
  const may = process.env['LOCKSTEP_INSTALL'] !== '0' && existsSync('/etc/debian_version')
  const root = may ? byRoot() : null
  if (root === null) {
    say(`${wanted} (apt-get install --no-install-recommends ${missing.join(' ')})`)
    process.exit(1)
  }
  say(`${wanted}; installing them`)
  const install = ['install', '--no-install-recommends', ...missing]
  if (!apt(root, ['update']) || !apt(root, install)) process.exit(1)
}
