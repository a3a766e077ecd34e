import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import process from 'node:process'
import { Command, CommanderError, Option } from 'commander'
import { secretFrom, secretHash } from './access/secrets.ts'
import { diagnoseCommand } from './commands/diagnose.ts'
import { BLANK, firstConfig, SANDBOXES } from './init.ts'

/** npm runs scripts in the project's folder; INIT_CWD is where the user stands. */
const here = process.env['INIT_CWD'] ?? process.cwd()

const print = (text: string): void => void process.stdout.write(`${text}\n`)

const escaped = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`

const SECRET_BYTES = 32

function newSecret(): { secret: string; sha256: string } {
  const secret = secretFrom(randomBytes(SECRET_BYTES))
  return { secret, sha256: secretHash(secret) }
}

const program = new Command('broker')
  .description('What an operator does beside running the daemon (npm start -- --config FILE).')
  .exitOverride()
  .addHelpText(
    'after',
    '\nExit status: 0 good, 1 not done, 2 usage. Every setting and code: broker/README.md',
  )

program
  .command('service-secret')
  .description('make a secret for a service: shown once, while the config gets its hash')
  .option('--json', 'one JSON document on standard output')
  .action(({ json }: { json?: true }) => {
    const { secret, sha256 } = newSecret()
    if (json) return print(JSON.stringify({ secret, secretSha256: sha256 }))
    print(`secret        ${secret}   give it to the service; it is not shown again`)
    print(`secretSha256  ${sha256}   put it into the config`)
  })

program
  .command('init')
  .description('write a commented config with one upstream and one service')
  .addOption(
    new Option('--sandbox <vendor>', 'fill in the public sandbox of a vendor').choices(
      Object.keys(SANDBOXES),
    ),
  )
  .addOption(
    new Option('--out <file>', 'the file to write; an existing one is kept').default('broker.yaml'),
  )
  .action(({ sandbox, out }: { sandbox?: keyof typeof SANDBOXES; out: string }) => {
    const file = resolve(here, out)
    const start = sandbox ? SANDBOXES[sandbox] : BLANK
    const { secret, sha256 } = newSecret()
    const keyFolder = join(homedir(), '.lockstep', 'nonprod')
    try {
      // The flag is the check: a config that somebody wrote is never replaced.
      writeFileSync(file, firstConfig(start, sha256, keyFolder), { flag: 'wx', mode: 0o600 })
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      const fix =
        code === 'EEXIST'
          ? 'it exists already, and nothing was changed: name another with --out'
          : `${code}`
      throw new CommanderError(1, 'not_written', `${out} was not written: ${fix}`)
    }
    print(`✓ ${relative(here, file)}`)
    print(`  my-service has the secret ${secret} (not shown again)`)
    print('Next:')
    print('  1. a key:      npm run -s keys -- generate --environment nonprod')
    print(
      `  2. the client: register the key set’s URL at the EHR, and put the client ID into ${out}`,
    )
    print(`  3. start:      npm start -- --config ${out}`)
    print(
      '  4. a token:    curl -u my-service:SECRET -d grant_type=client_credentials http://127.0.0.1:8400/oauth2/token',
    )
  })

diagnoseCommand(program, {
  print,
  note: text => void process.stderr.write(`${text}\n`),
  // In ASCII: names from outside must not play with the terminal that shows the document.
  printJson: value => print(JSON.stringify(value).replace(/[\x7f-\uffff]/g, escaped)),
  fail: () => {
    process.exitCode = 1
  },
  path: given => resolve(here, given),
})

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  if (error.code === 'not_written') process.stderr.write(`${error.message}\n`)
  process.exitCode = error.exitCode === 0 ? 0 : error.code === 'not_written' ? 1 : 2
}
