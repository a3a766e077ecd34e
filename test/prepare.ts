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

function apt(args: string[]): boolean {
  // In runlevel 1 Debian's invoke-rc.d starts no service: the tests start their own, on free ports.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  return (
    spawnSync('apt-get', ['-q', '-y', ...args], { stdio: ['ignore', 'ignore', 'inherit'], env })
      .status === 0
  )
}

const missing = missingPackages()
if (missing.length > 0) {
  const wanted = `The tests need Debian’s packages: ${missing.join(' ')}`
  const may =
    process.env['LOCKSTEP_INSTALL'] !== '0' &&
    process.getuid?.() === 0 &&
    existsSync('/etc/debian_version')
  if (!may) {
    say(`${wanted} (apt-get install --no-install-recommends ${missing.join(' ')})`)
    process.exit(1)
  }
  say(`${wanted}; installing them`)
  if (!apt(['update']) || !apt(['install', '--no-install-recommends', ...missing])) process.exit(1)
}
