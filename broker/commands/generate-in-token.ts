import { type Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { ALGS, type Alg, DEFAULT_ALG, RSA_BITS } from '../../keys-pipeline/algorithms.ts'
import type { Environment } from '../../keys-pipeline/key-set.ts'
import { systemClock } from '../clock.ts'
import { ConfigError, readConfig } from '../config.ts'
import { writeNew } from '../files.ts'
import type { TokenSource } from '../keys-config.ts'
import { generateInToken } from '../pkcs11/generate.ts'
import { TokenFault } from '../pkcs11/sessions.ts'
import { closeTokens, loadTokenKeys, openToken, type TokenComplaint } from '../pkcs11/token.ts'
import { optionsIn } from './options.ts'
import type { Terminal } from './terminal.ts'

interface Given {
  config: string
  environment: Environment
  alg: Alg
  bits: number
  kid?: string
  url?: string
  out: string
  json?: true
}

/** `generate-in-token`: a key pair whose private half never leaves the token. */
export function generateInTokenCommand(program: Command, terminal: Terminal): void {
  const options = optionsIn(terminal)
  program
    .command('generate-in-token')
    .description(
      'make a key pair in the PKCS#11 token of the config, and write its public half and proof',
    )
    .option('--config <file>', 'the config of the broker', 'broker.yaml')
    .addOption(options.environment().makeOptionMandatory())
    .addOption(new Option('--alg <alg>', 'what it signs').choices(ALGS).default(DEFAULT_ALG))
    .addOption(
      new Option('--bits <number>', 'of an RSA key').default(RSA_BITS.least).argParser(bitsIn),
    )
    .addOption(new Option('--kid <kid>', 'a key ID in place of the thumbprint').argParser(kidIn))
    .option('--url <url>', 'of the key set that it will be in (default: jwksUrl in the config)')
    .requiredOption('--out <file>', 'the public JWK to write; an existing file is kept')
    .addOption(options.json())
    .action((given: Given) => run(given, terminal).finally(closeTokens))
}

async function run(
  given: Given,
  { path, show, print, printJson, entropy }: Terminal,
): Promise<void> {
  const { alg, bits, kid, environment } = given
  const file = path(given.config)
  const config = readConfig(file)
  const keys = config.keys.get(environment)
  const refuse = (at: string, message: string): ConfigError =>
    new ConfigError(file, [{ at: `/keys/${environment}${at}`, message, file, line: null }])
  if (!keys?.token) throw refuse('', 'has no pkcs11: name the token there')
  const url = given.url ?? keys.jwksUrl
  if (url === null)
    throw new CommanderError(
      2,
      'usage',
      `error: name the URL of the key set: --url, or keys.${environment}.jwksUrl`,
    )
  const made = await makeKey(keys.token, { alg, bits, kid }, entropy)
  if ('message' in made) throw refuse(`/pkcs11${made.setting}`, made.message)
  const { half, signer } = made
  // As in keys-pipeline/statements.ts, which the broker does not know.
  const proof = await signer.signJwt(
    { typ: 'possession+jwt', kid: signer.kid, alg: signer.alg },
    { sub: half.thumbprint, aud: url, iat: Math.floor(systemClock().wall / 1000) },
  )
  const out = path(given.out)
  writeNew(out, `${JSON.stringify(half.jwk, null, 2)}\n`, 0o644)
  const { jwk, thumbprint } = half
  if (given.json) return printJson({ kid: jwk.kid, alg, thumbprint, file: out, url, proof })
  print(`✓ ${show(out)}: ${alg}, kid ${jwk.kid}; the private half stays in the token`)
  print('Publish it, where the keys are published:')
  print(`  npm run -s keys -- add ${show(out)} --environment ${environment} --proof ${proof}`)
}

async function makeKey(
  source: TokenSource,
  wanted: { alg: Alg; bits: number; kid: string | undefined },
  entropy: (bytes: number) => Buffer,
) {
  const opened = await openToken(source)
  if ('message' in opened) return opened
  try {
    const half = await generateInToken(opened.sessions, wanted, entropy)
    const { keys } = await loadTokenKeys(source)
    const signer = keys.find(each => each.thumbprint === half.thumbprint)
    if (signer) return { half, signer }
    return fault(`${source.label} has made a key that does not sign ${wanted.alg}`)
  } catch (error) {
    if (!(error instanceof TokenFault)) throw error
    const at = error.ckr.startsWith('CKR_PIN_') ? '/pinFile' : '/token'
    return fault(`${source.label} makes no ${wanted.alg} key (${error.ckr})`, at)
  }
}

const fault = (message: string, setting: TokenComplaint['setting'] = '/token'): TokenComplaint => ({
  setting,
  message,
})

function bitsIn(text: string): number {
  const bits = Number(text)
  if (/^\d{4,5}$/.test(text) && bits >= RSA_BITS.least && bits <= RSA_BITS.most) return bits
  throw new InvalidArgumentError(`It must be ${RSA_BITS.least} to ${RSA_BITS.most}.`)
}

function kidIn(text: string): string {
  if (/^[\x21-\x7e][\x20-\x7e]{0,127}$/.test(text) && !/^(dev-|-)/.test(text)) return text
  throw new InvalidArgumentError('It must be printable ASCII, 128 characters at the most.')
}
