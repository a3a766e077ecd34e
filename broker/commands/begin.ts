import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { secretFrom, secretHash } from '../access/secrets.ts'
import { writeNew } from '../files.ts'
import { BLANK, firstConfig, SANDBOXES } from '../init.ts'
import type { Terminal } from './terminal.ts'

const SECRET_BYTES = 32

/** `service-secret` and `init`: what a first broker and each new service begin with. */
export function beginCommands(program: Command, terminal: Terminal): void {
  const { print, printJson } = terminal
  program
    .command('service-secret')
    .description('make a secret for a service: shown once, while the config gets its hash')
    .option('--json', 'one JSON document on standard output')
    .action(({ json }: { json?: true }) => {
      const { secret, sha256 } = newSecret(terminal)
      if (json) return printJson({ secret, secretSha256: sha256 })
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
      new Option('--out <file>', 'the file to write; an existing one is kept').default(
        'broker.yaml',
      ),
    )
    .action((given: { sandbox?: keyof typeof SANDBOXES; out: string }) => init(given, terminal))
}

function init(
  { sandbox, out }: { sandbox?: keyof typeof SANDBOXES; out: string },
  terminal: Terminal,
): void {
  const { print, path, show, home } = terminal
  const file = path(out)
  const { secret, sha256 } = newSecret(terminal)
  const start = sandbox ? SANDBOXES[sandbox] : BLANK
  writeNew(file, firstConfig(start, sha256, join(home, '.lockstep', 'nonprod')), 0o600)
  print(`✓ ${show(file)}`)
  print(`  my-service has the secret ${secret} (not shown again)`)
  print('Next:')
  print('  1. a key:      npm run -s keys -- generate --environment nonprod')
  print(`  2. the client: register the key set’s URL at the EHR, and put the client ID into ${out}`)
  print(`  3. start:      npm start -- --config ${out}`)
  print(
    '  4. a token:    curl -u my-service:SECRET -d grant_type=client_credentials http://127.0.0.1:8400/oauth2/token',
  )
}

function newSecret({ entropy }: Terminal): { secret: string; sha256: string } {
  const secret = secretFrom(entropy(SECRET_BYTES))
  return { secret, sha256: secretHash(secret) }
}
