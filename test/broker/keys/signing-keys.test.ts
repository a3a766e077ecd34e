import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadSigningKeys } from '../../../broker/keys/signing-keys.ts'
import { openssl } from '../../support/openssl.ts'
import { makeKey } from '../../support/world.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lockstep-signing-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const put = (name: string, content: string | Buffer, mode = 0o600): void =>
  writeFileSync(join(folder, name), content, { mode })
const load = () => loadSigningKeys(folder)
const pem = (): string => rsa().export({ type: 'pkcs8', format: 'pem' }).toString()
const rsa = () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey

test('a key made by keys generate keeps the kid and alg that were published', () => {
  const kid = makeKey(folder, 'RS256')
  const { keys, complaints } = loadSigningKeys(join(folder, 'private'))
  expect(complaints).toEqual([])
  expect(keys.map(key => [key.kid, key.alg])).toEqual([[kid, 'RS256']])
})

describe('a private key of OpenSSL’s making is read', () => {
  test.each([
    ['PKCS#8', ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'], 'RS384'],
    ['PKCS#1', ['genrsa', '-traditional', '2048'], 'RS384'],
    ['SEC 1, P-256', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout'], 'ES256'],
    ['SEC 1, P-384', ['ecparam', '-name', 'secp384r1', '-genkey', '-noout'], 'ES384'],
  ])('%s', (_, args, alg) => {
    put('key.pem', openssl(args))
    const { keys, complaints } = load()
    expect(complaints).toEqual([])
    expect(keys).toMatchObject([{ alg }])
    expect(keys[0]?.kid).toBe(keys[0]?.thumbprint)
  })
})

describe('a complaint is made of', () => {
  test.each<[string, () => void]>([
    ['a folder that is not there', () => rmSync(folder, { recursive: true })],
    ['a folder without a key', () => put('README.md', 'keys go here')],
    [
      'a key that its group may read',
      () => put('key.pem', rsa().export({ type: 'pkcs8', format: 'pem' }), 0o644),
    ],
    ['a key under 2048 bits', () => put('key.pem', openssl(['genrsa', '1024']))],
    [
      'a curve that EHRs do not take',
      () => put('key.pem', openssl(['ecparam', '-name', 'secp256k1', '-genkey', '-noout'])),
    ],
    [
      'a public key',
      () => put('key.pem', openssl(['pkey', '-pubout'], openssl(['genrsa', '2048']))),
    ],
    [
      'a key with a passphrase',
      () => put('key.pem', openssl(['genrsa', '-aes128', '-passout', 'pass:x', '2048'])),
    ],
    [
      'a key that OpenSSL encrypted in its old way',
      () =>
        put('key.pem', openssl(['rsa', '-traditional', '-aes128', '-passout', 'pass:x'], pem())),
    ],
    ['what is not a key', () => put('key.pem', 'hello')],
    ['a JWK that is not JSON', () => put('key.jwk.json', '{"kty"')],
    [
      'a JWK whose alg does not fit',
      () =>
        put('key.jwk.json', JSON.stringify({ ...rsa().export({ format: 'jwk' }), alg: 'ES384' })),
    ],
    ['a file of a megabyte', () => put('key.pem', 'x'.repeat(1024 * 1024))],
  ])('%s', (_, make) => {
    make()
    const { keys, complaints } = load()
    expect(keys).toEqual([])
    expect(complaints).toHaveLength(1)
    if (!complaints[0]?.includes('cannot be read (ENOENT)')) return
    folder = mkdtempSync(join(tmpdir(), 'lockstep-signing-'))
  })
})

describe('an encrypted PKCS#8', () => {
  const PASSPHRASE = { file: '/etc/lockstep/passphrase', text: 'correct horse §' }
  const sealed = (...how: string[]): Buffer =>
    openssl(['pkcs8', '-topk8', ...how, '-passout', `pass:${PASSPHRASE.text}`], pem())

  test.each([
    ['as OpenSSL makes it by itself (PBES2, AES-256, PBKDF2 with SHA-256)', []],
    ['with another cipher and hash', ['-v2', 'aes-128-cbc', '-v2prf', 'hmacWithSHA512']],
    ['with scrypt', ['-scrypt']],
  ])('%s is opened with the passphrase', (_, how) => {
    put('key.pem', sealed(...how))
    const { keys, complaints } = loadSigningKeys(folder, PASSPHRASE)
    expect([keys.length, complaints]).toEqual([1, []])
  })

  test('is what OpenSSL 3 makes when nothing else is said', () => {
    const shown = openssl(['asn1parse'], sealed()).toString()
    for (const name of ['PBES2', 'PBKDF2', 'hmacWithSHA256', 'aes-256-cbc'])
      expect(shown).toContain(name)
  })

  test('stands beside keys that are not encrypted', () => {
    put('a.pem', sealed())
    put('b.pem', pem())
    expect(loadSigningKeys(folder, PASSPHRASE)).toMatchObject({ keys: [{}, {}], complaints: [] })
  })

  test.each([
    ['without a passphrase', null, 'passphraseFile'],
    ['with a wrong one', { ...PASSPHRASE, text: 'correct horse' }, PASSPHRASE.file],
    ['with an empty one', { ...PASSPHRASE, text: '' }, PASSPHRASE.file],
  ])('%s is a complaint that names the files and no content', (_, passphrase, names) => {
    put('key.pem', sealed())
    const { keys, complaints } = loadSigningKeys(folder, passphrase)
    expect([keys, complaints.length]).toEqual([[], 1])
    expect(complaints[0]).toContain(join(folder, 'key.pem'))
    expect(complaints[0]).toContain(names)
    expect(complaints[0]).not.toContain('horse')
  })
})

test.each([0o755, 0o750, 0o701, 0o770])('a folder of mode %o is open to others', mode => {
  put('key.pem', pem())
  chmodSync(folder, mode)
  const { keys, complaints } = load()
  expect(keys).toHaveLength(1)
  expect(complaints).toEqual([expect.stringContaining('chmod 700')])
})

test('every complaint about a folder comes at once, beside the keys that are good', () => {
  makeKey(folder, 'ES256')
  const inside = join(folder, 'private')
  writeFileSync(join(inside, 'a.pem'), 'hello', { mode: 0o600 })
  writeFileSync(join(inside, 'b.pem'), 'hello', { mode: 0o600 })
  chmodSync(inside, 0o700)
  const { keys, complaints } = loadSigningKeys(inside)
  expect(keys).toHaveLength(1)
  expect(complaints).toHaveLength(2)
})

test('no complaint and no key shows any of the private material', () => {
  const pem = rsa().export({ type: 'pkcs8', format: 'pem' }).toString()
  put('good.pem', pem)
  put('broken.pem', pem.slice(0, 400))
  const { keys, complaints } = load()
  const middle = pem.split('\n')[3] ?? 'missing'
  expect(keys).toHaveLength(1)
  expect(complaints).toHaveLength(1)
  expect(JSON.stringify({ keys, complaints })).not.toContain(middle)
})
