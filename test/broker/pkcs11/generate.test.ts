import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { firstConfig, SANDBOXES } from '../../../broker/init.ts'
import { generateInToken } from '../../../broker/pkcs11/generate.ts'
import { loadTokenKeys, openToken } from '../../../broker/pkcs11/token.ts'
import { ALGS } from '../../../keys-pipeline/algorithms.ts'
import { fill, folderWith } from '../../support/keys.ts'
import { opensslVerifies } from '../../support/openssl.ts'
import { BROKER_CLI, KEYS_CLI, run } from '../../support/processes.ts'
import { LABEL, PIN, SOFTHSM, type SoftToken, softToken } from '../../support/token.ts'

test.each(ALGS)(
  'a token makes a key of its own for %s, and OpenSSL verifies what it signs',
  async alg => {
    const token = softToken()
    const opened = await openToken(token.source)
    if ('message' in opened) throw new Error(opened.message)
    const half = await generateInToken(opened.sessions, { alg, bits: 2048 }, randomBytes)
    expect(half.jwk.alg).toBe(alg)
    const { keys, complaints } = await loadTokenKeys(token.source)
    expect([complaints, keys.map(each => [each.kid, each.alg])]).toEqual([
      [],
      [[half.jwk.kid, alg]],
    ])
    const header = { typ: 'JWT', kid: half.jwk.kid, alg }
    const jws = (await keys[0]?.signJwt(header, { iss: 'us' })) ?? ''
    expect(opensslVerifies(jws, { ...half.jwk })).toBe(true)
  },
)

test('what the token has made is sensitive and never extractable, and its CKA_ID is the thumbprint', async () => {
  const token = softToken()
  const opened = await openToken(token.source)
  if ('message' in opened) throw new Error(opened.message)
  const { thumbprint } = await generateInToken(
    opened.sessions,
    { alg: 'RS384', bits: 2048 },
    randomBytes,
  )
  const listed = token.look('--list-objects', '--type', 'privkey')
  expect(listed).toMatch(/Access: +sensitive, always sensitive, never extractable/)
  expect(listed).toContain(Buffer.from(thumbprint, 'base64url').toString('hex'))
})

describe('generate-in-token', () => {
  const URL_OF_SET = 'https://keys.example.com/nonprod/.well-known/jwks.json'

  function config(token: SoftToken, keys: object = {}): string {
    const made = parse(firstConfig(SANDBOXES.epic, 'ab'.repeat(32), 'private'))
    made.upstreams['epic-sandbox'].clientId = 'app'
    const pkcs11 = { library: SOFTHSM, token: LABEL, pinFile: token.source.pin.file }
    made.keys = { nonprod: { pkcs11, jwksUrl: URL_OF_SET, ...keys } }
    writeFileSync(join(token.folder, 'broker.yaml'), stringify(made))
    return token.folder
  }
  const generate = (token: SoftToken, ...args: string[]) =>
    run(
      BROKER_CLI,
      ['generate-in-token', '--environment', 'nonprod', '--out', 'public.jwk.json', ...args],
      { cwd: token.folder, env: token.env },
    )

  test.each([
    ['RS384', []],
    ['ES256', ['--kid', 'our key']],
  ])('writes a public key that keys add takes with its proof: %s %j', async (alg, more) => {
    const token = softToken()
    config(token)
    const { code, stdout } = await generate(token, '--alg', alg, '--json', ...more)
    expect(code).toBe(0)
    const { kid, proof } = JSON.parse(stdout)
    const site = folderWith()
    fill(site, {
      'keys/production/.gitkeep': '',
      'keys/nonprod/.gitkeep': '',
      'publisher.yaml': readFileSync('keys-pipeline/publisher.yaml', 'utf8').replace(
        /^baseUrl:.*$/m,
        'baseUrl: https://keys.example.com',
      ),
    })
    const added = await run(KEYS_CLI, [
      ...['add', join(token.folder, 'public.jwk.json'), '--environment', 'nonprod'],
      ...['--keys', join(site, 'keys'), '--settings', join(site, 'publisher.yaml')],
      ...['--proof', proof, '--json'],
    ])
    expect([added.code, added.stderr]).toEqual([0, ''])
    expect(added.stdout).toContain(kid)
    if (more.length > 0) expect(kid).toBe('our key')
  })

  test('keeps a file that is there, and shows no PIN', async () => {
    const token = softToken()
    config(token)
    writeFileSync(join(token.folder, 'public.jwk.json'), 'kept')
    const { code, stdout, stderr } = await generate(token, '--alg', 'ES256')
    expect(code).toBe(1)
    expect(stdout + stderr).not.toContain(PIN)
    expect(readFileSync(join(token.folder, 'public.jwk.json'), 'utf8')).toBe('kept')
  })

  test.each<[string, object, string[], number]>([
    ['without a token in the config', { pkcs11: undefined, folder: 'private' }, [], 1],
    ['with a token that is not there', { pkcs11: { token: 'another' } }, [], 1],
    ['without the URL of a key set', { jwksUrl: undefined }, [], 2],
    ['with a short key', {}, ['--bits', '1024'], 2],
    ['with a kid that would be an option', {}, ['--kid=-x'], 2],
  ])('%s it makes nothing', async (_, keys, args, code) => {
    const token = softToken()
    const pkcs11 = { library: SOFTHSM, token: LABEL, pinFile: token.source.pin.file }
    const given = 'pkcs11' in keys && keys.pkcs11 ? { pkcs11: { ...pkcs11, ...keys.pkcs11 } } : keys
    config(token, given)
    expect((await generate(token, ...args)).code).toBe(code)
    expect(existsSync(join(token.folder, 'public.jwk.json'))).toBe(false)
    expect(token.look('--list-objects', '--type', 'privkey')).toBe('')
  })
})
