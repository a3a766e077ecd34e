import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { onTestFinished } from 'vitest'
import type { SigningKey } from '../../broker/keys/signing-keys.ts'
import type { TokenSource } from '../../broker/keys-config.ts'
import { CK, type Cryptoki, openLibrary } from '../../broker/pkcs11/cryptoki.ts'
import { labelledSlots } from '../../broker/pkcs11/sessions.ts'
import { closeTokens, loadTokenKeys } from '../../broker/pkcs11/token.ts'
import type { Pair } from './keys.ts'
import { PROJECT } from './processes.ts'

export const SOFTHSM = '/usr/lib/softhsm/libsofthsm2.so'
export const LABEL = 'lockstep-test'
export const PIN = '24681357'

const FOLDER = join(PROJECT, 'broker', 'pkcs11')

/** What is made of which lockfile; both there, the package is as it should be. */
const BUILT = 'node_modules/pkcs11js/build/Release/pkcs11.node'
const IS_MADE = `test -f ${BUILT} && cmp -s package-lock.json node_modules/.made-of`

/**
 * Compiles the package where it is not there yet, once whoever asks: flock(1) lets one in at a time. Node's headers are
 * those beside it, so that nothing is fetched but the package.
 */
function installPkcs11(): void {
  const make = `${IS_MADE} || { npm ci && cp package-lock.json node_modules/.made-of; }`
  execFileSync('flock', [join(FOLDER, 'package.json'), 'sh', '-c', make], {
    cwd: FOLDER,
    env: {
      ...process.env,
      npm_config_nodedir: dirname(dirname(process.execPath)),
      // Under an npm that runs no scripts its word would be stronger than the folder's .npmrc.
      npm_config_ignore_scripts: 'false',
    },
    stdio: 'pipe',
  })
}

/** A token of SoftHSM's in a folder of its own. */
export interface SoftToken {
  folder: string
  /** What other processes need to see it. */
  env: { SOFTHSM2_CONF: string }
  source: TokenSource
  /** A private key into the token, under that label. */
  put: (pem: string, label?: string, id?: string) => void
  /** OpenSC's view of it, logged in. */
  look: (...args: string[]) => string
  /** Ends every session of this process, and its login, as a token that is reset does. */
  endSessions: () => Promise<void>
  /** Deleted, and every session with it. */
  remove: () => Promise<void>
  /** And ends every session. */
  changePin: (pin: string, before?: string) => Promise<void>
}

/** `settings` are lines of SoftHSM's configuration. */
export function softToken(settings = ''): SoftToken {
  installPkcs11()
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-token-'))
  const tokens = join(folder, 'tokens')
  mkdirSync(tokens)
  const env = { SOFTHSM2_CONF: join(folder, 'softhsm2.conf') }
  writeFileSync(env.SOFTHSM2_CONF, `directories.tokendir = ${tokens}\n${settings}\n`)
  const pinFile = join(folder, 'pin')
  writeFileSync(pinFile, `${PIN}\n`, { mode: 0o600 })
  const run = (command: string, args: string[]): string =>
    execFileSync(command, args, {
      env: { ...process.env, ...env },
      encoding: 'utf8',
      stdio: 'pipe',
    })
  run('softhsm2-util', ['--init-token', '--free', '--label', LABEL, '--so-pin', PIN, '--pin', PIN])
  // The library reads it when it is initialised, once for each test.
  process.env['SOFTHSM2_CONF'] = env.SOFTHSM2_CONF
  onTestFinished(() => {
    closeTokens()
    delete process.env['SOFTHSM2_CONF']
    rmSync(folder, { recursive: true, force: true })
  })
  const opened = ['--module', SOFTHSM, '--token-label', LABEL, '--login', '--pin', PIN]
  const look = (...args: string[]): string => run('pkcs11-tool', [...opened, ...args])
  let imported = 0
  return {
    ...{ folder, env },
    source: { library: SOFTHSM, label: LABEL, pin: { file: pinFile, text: PIN } },
    put: (pem, label = '', id = `0${++imported}`) => {
      const file = join(folder, 'key.pem')
      writeFileSync(file, pem, { mode: 0o600 })
      const as = ['--token', LABEL, '--pin', PIN, '--label', label, '--id', id]
      run('softhsm2-util', ['--import', file, ...as])
      rmSync(file)
    },
    look,
    endSessions: () => reset(),
    remove: async () => {
      run('softhsm2-util', ['--delete-token', '--token', LABEL])
      await reset()
    },
    changePin: async (pin, before = PIN) => {
      const library = await inProcess()
      for (const { slot } of labelledSlots(library).filter(each => each.label === LABEL)) {
        const session = library.C_OpenSession(slot, CK.CKF_SERIAL_SESSION | CK.CKF_RW_SESSION)
        library.C_SetPIN(session, before, pin)
      }
      await reset()
    },
  }
}

/** The one key of a token that holds one, loaded. */
export async function onlyKey(token: SoftToken): Promise<SigningKey> {
  const { keys, complaints } = await loadTokenKeys(token.source)
  const [key, ...others] = keys
  if (!key || others.length + complaints.length > 0)
    throw new Error(`${keys.length} keys, ${JSON.stringify(complaints)}`)
  return key
}

/** PKCS#8, as SoftHSM imports it. */
export const pemOf = ({ privateKey }: Pair): string =>
  privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

/** The library as it is loaded in this process, with what only tests do to it. */
const inProcess = async () =>
  (await openLibrary(SOFTHSM)) as Cryptoki & {
    C_CloseAllSessions: (slot: Buffer) => void
    C_SetPIN: (session: Buffer, before: string, after: string) => void
  }

async function reset(): Promise<void> {
  const library = await inProcess()
  for (const { slot } of labelledSlots(library)) library.C_CloseAllSessions(slot)
}
