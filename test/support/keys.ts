import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { onTestFinished } from 'vitest'
import type { SigningKey } from '../../broker/keys/signing-keys.ts'
import { type Finding, PipelineError } from '../../keys-pipeline/errors.ts'
import { type PublicKey, type Registered, toPublicKey } from '../../keys-pipeline/jwk.ts'
import { makeStatement } from '../../keys-pipeline/statements.ts'

export interface Pair {
  publicKey: KeyObject
  privateKey: KeyObject
}

export type Jwk = Record<string, unknown>

/** RSA pairs take a third of a second each, so a worker makes only as many as its tests tell apart. */
const made = new Map<string, Pair>()

function pair(name: string, make: () => Pair): Pair {
  const known = made.get(name) ?? make()
  made.set(name, known)
  return known
}

export const rsaPair = (which = 0): Pair =>
  pair(`RSA ${which}`, () => generateKeyPairSync('rsa', { modulusLength: 2048 }))
export const ecPair = (crv: 'P-256' | 'P-384' = 'P-256', which = 0): Pair =>
  pair(`${crv} ${which}`, () => generateKeyPairSync('ec', { namedCurve: crv }))

export const rsaJwk = (which = 0): Jwk => ({
  ...rsaPair(which).publicKey.export({ format: 'jwk' }),
})
export const ecJwk = (crv: 'P-256' | 'P-384' = 'P-256', which = 0): Jwk => ({
  ...ecPair(crv, which).publicKey.export({ format: 'jwk' }),
})
export const privateJwk = (which = 0): Jwk => ({
  ...rsaPair(which).privateKey.export({ format: 'jwk' }),
})
export const spki = (key: KeyObject): string =>
  key.export({ type: 'spki', format: 'pem' }).toString()

/** One key pair in the forms that tests write to files. */
export interface Forms {
  publicKey: KeyObject
  privateKey: KeyObject
  jwk: Jwk
  pem: string
  privatePem: string
  /** The private JWK. */
  secret: Record<string, string>
}

const formsOf = ({
  publicKey,
  privateKey,
}: {
  publicKey: KeyObject
  privateKey: KeyObject
}): Forms => ({
  publicKey,
  privateKey,
  jwk: { ...publicKey.export({ format: 'jwk' }) },
  pem: spki(publicKey),
  privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  secret: { ...privateKey.export({ format: 'jwk' }) } as Record<string, string>,
})

export const rsa = (): Forms => formsOf(rsaPair())
export const p256 = (): Forms => formsOf(ecPair('P-256'))
export const p384 = (): Forms => formsOf(ecPair('P-384'))
export const freshEc = (namedCurve = 'P-256'): Forms =>
  formsOf(generateKeyPairSync('ec', { namedCurve }))

/** The key as it will be published. */
export function published(jwk: Jwk, file = 'key'): PublicKey {
  const { key, findings } = toPublicKey(jwk, file)
  if (key === null) throw new Error(JSON.stringify(findings))
  return key
}

/** Where the tests' key sets are said to be served, unless a test says otherwise. */
export const SET_URL = 'https://keys.example.com/nonprod/.well-known/jwks.json'

/** A proof that whoever adds the key of this pair holds its private half. */
export function proofBy(
  { publicKey, privateKey }: Pair,
  { url = SET_URL, kid, alg }: { url?: string } & Registered = {},
): string {
  const { key } = toPublicKey({ ...publicKey.export({ format: 'jwk' }) }, 'key', { kid, alg })
  if (key === null) throw new Error('not a key that can be published')
  const statement = { sub: key.thumbprint, aud: url, iat: 0 }
  return makeStatement('possession', statement, { key: privateKey, jwk: key.jwk })
}

/** Made when it is first asked for, and kept. */
export function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

export const codes = (findings: readonly Finding[]): string[] => findings.map(each => each.code)

/** As `refusal`, of work that takes a while. */
export async function refusalOf(work: Promise<unknown>): Promise<readonly Finding[]> {
  try {
    await work
    return []
  } catch (error) {
    if (error instanceof PipelineError) return error.findings
    throw error
  }
}

/** The findings with which `work` refuses; none when it goes through. Any other error is no refusal. */
export function refusal(work: () => unknown): readonly Finding[] {
  try {
    work()
    return []
  } catch (error) {
    if (error instanceof PipelineError) return error.findings
    throw error
  }
}

/** Path → content; an object is written as JSON. */
export type Tree = Readonly<Record<string, string | Uint8Array | object>>

export function fill(folder: string, files: Tree): void {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name)
    mkdirSync(dirname(path), { recursive: true })
    const raw = typeof content === 'string' || content instanceof Uint8Array
    writeFileSync(path, raw ? content : JSON.stringify(content))
  }
}

/** A private key of the broker's, as far as choosing goes. */
export const signingKey = (name: string, parts: Partial<SigningKey> = {}): SigningKey => ({
  ...{ kid: name, alg: 'RS384', thumbprint: `print-${name}`, file: name, since: 1000 },
  jwk: { kty: 'RSA', use: 'sig', alg: 'RS384', kid: name, n: '', e: '' },
  signJwt: async () => '',
  ...parts,
})

/** A folder with these files in it, removed after the test. */
export function folderWith(files: Tree = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-files-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  fill(folder, files)
  return folder
}

/** A temporary folder with these files, for as long as `work` takes: for what runs many times in one test. */
export function withFolder<T>(files: Tree, work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-keys-'))
  try {
    fill(folder, files)
    return work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** What somebody without rights sees of `folder`: root may read everything, and in a container tests are root. */
export function asNobody<T>(folder: string, work: () => T): T {
  chmodSync(folder, 0o755)
  if (process.geteuid?.() !== 0) return work()
  process.seteuid?.(65_534)
  try {
    return work()
  } finally {
    process.seteuid?.(0)
  }
}

export const asIs = (path: string): string => path
