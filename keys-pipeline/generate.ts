import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { type Custody, checkoutOf, type Entered, enterKeys, refuseEntry } from './add.ts'
import type { Alg } from './algorithms.ts'
import { refuseAny } from './errors.ts'
import { toPublicKey } from './jwk.ts'
import { newPair } from './key-pair.ts'
import { makeStatement } from './statements.ts'
import { makeFolder, replaceFile, writeNew } from './write.ts'

export interface Generated extends Entered {
  privateFile: string
}

/** Every private file ends so, and `.gitignore` covers it. */
const PRIVATE_SUFFIX = '.private.jwk.json'

/**
 * A new key pair: the private half into `privateFolder` (0600, folder 0700), the public half into the keys folder.
 * The private JWK carries kid and alg, so that the broker signs under the name that was published. The proof of
 * possession is made in the same step. Inside a git checkout the folder gets a `.gitignore` line before the key is written.
 *
 * Refused: what the key set would refuse, `file_exists`, `write_failed`.
 */
export function generateKey(
  make: { alg: Alg; bits: number; kid?: string | undefined; privateFolder: string },
  custody: Custody,
): Generated {
  const { alg, bits, kid, privateFolder } = make
  const pair = newPair(alg, bits)
  const { key, findings } = toPublicKey(pair.publicKey.export({ format: 'jwk' }), 'the new key', {
    alg,
    kid,
  })
  refuseAny(findings)
  if (key === null) throw new Error('a key without findings is a key')
  refuseEntry([key], custody)

  makeFolder(privateFolder, 0o700, custody.show)
  coverByGitignore(privateFolder, custody)
  const privateFile = join(privateFolder, `${key.thumbprint}${PRIVATE_SUFFIX}`)
  const secret = { ...key.jwk, ...pair.privateKey.export({ format: 'jwk' }) }
  writeNew(privateFile, `${JSON.stringify(secret, null, 2)}\n`, {
    scratch: privateFolder,
    mode: 0o600,
    show: custody.show,
  })
  const statement = {
    sub: key.thumbprint,
    aud: custody.url,
    iat: Math.floor(custody.now / 1000),
  }
  const proof = makeStatement('possession', statement, { key: pair.privateKey, jwk: key.jwk })
  const [entered] = enterKeys([{ key, proof }], custody)
  if (!entered) throw new Error('one key in, one key out')
  return { ...entered, privateFile }
}

function coverByGitignore(folder: string, { show }: Custody): void {
  if (checkoutOf(realpathSync(folder), existsSync) === null) return
  const file = join(folder, '.gitignore')
  const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const missing = ['*.private.*', '.lockstep-*'].filter(line => !text.split(/\r?\n/).includes(line))
  if (missing.length === 0) return
  const start = text === '' || text.endsWith('\n') ? text : `${text}\n`
  replaceFile(file, `${start}${missing.join('\n')}\n`, { scratch: folder, show })
}
