import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { type ConfigError, readConfig } from '../../broker/config.ts'
import { fingerprintOf } from '../../broker/fingerprint.ts'
import { firstConfig, SANDBOXES } from '../../broker/init.ts'
import { keyRules } from '../../broker/keys-config.ts'
import { loadSigners } from '../../broker/signers.ts'
import { folderWith } from '../support/keys.ts'
import { openssl } from '../support/openssl.ts'

const PKCS11 = { library: 'lib.so', token: 'our token', pinFile: 'pin' }

function configWith(keys: object, files: Record<string, string> = {}): string {
  const folder = folderWith(files)
  for (const name of Object.keys(files)) chmodSync(join(folder, name), 0o600)
  const made = parse(firstConfig(SANDBOXES.epic, 'ab'.repeat(32), 'private'))
  made.upstreams['epic-sandbox'].clientId = 'app'
  made.keys = { nonprod: keys }
  writeFileSync(join(folder, 'broker.yaml'), stringify(made))
  return join(folder, 'broker.yaml')
}

const places = (path: string): string[] => {
  try {
    readConfig(path)
    return []
  } catch (error) {
    return (error as ConfigError).complaints.map(each => each.at)
  }
}

test('secrets are read without the line break at their end, and their paths are absolute', () => {
  const path = configWith(
    { folder: 'private', passphraseFile: 'passphrase', pkcs11: PKCS11 },
    { passphrase: ' two words \n', pin: '1234\r\n' },
  )
  const folder = join(path, '..')
  expect(readConfig(path).keys.get('nonprod')).toEqual({
    folder: join(folder, 'private'),
    passphrase: { file: join(folder, 'passphrase'), text: ' two words ' },
    token: {
      ...{ library: join(folder, 'lib.so'), label: 'our token' },
      pin: { file: join(folder, 'pin'), text: '1234' },
    },
    ...{ standbyFolder: null, jwksUrl: null, ca: null, family: null, watch: null, guard: null },
    ...{ liveSince: new Map(), heldElsewhere: [] },
  })
})

test.each(['passphrase', 'pin'])('a change of the file with the %s is seen', name => {
  const path = configWith(
    { folder: 'private', passphraseFile: 'passphrase', pkcs11: PKCS11 },
    { passphrase: 'x', pin: '1234' },
  )
  const { sources } = readConfig(path)
  const before = fingerprintOf(sources)
  writeFileSync(join(path, '..', name), 'another')
  expect(fingerprintOf(sources)).not.toBe(before)
})

describe('a complaint is made of', () => {
  const FOLDER = { folder: 'private' }
  test.each<[string, object, string[]]>([
    ['neither folder nor token', {}, ['/keys/nonprod']],
    [
      'a passphrase without a folder',
      { pkcs11: PKCS11, passphraseFile: 'pin' },
      ['/keys/nonprod/passphraseFile'],
    ],
    [
      'a passphrase file that is not there',
      { ...FOLDER, passphraseFile: 'x' },
      ['/keys/nonprod/passphraseFile'],
    ],
    ['an empty one', { ...FOLDER, passphraseFile: 'empty' }, ['/keys/nonprod/passphraseFile']],
    [
      'one that others may read',
      { ...FOLDER, passphraseFile: 'open' },
      ['/keys/nonprod/passphraseFile'],
    ],
    [
      'a PIN file that others may read',
      { pkcs11: { ...PKCS11, pinFile: 'open' } },
      ['/keys/nonprod/pkcs11/pinFile'],
    ],
    ['an empty PIN', { pkcs11: { ...PKCS11, pinFile: 'empty' } }, ['/keys/nonprod/pkcs11/pinFile']],
    [
      'a token without a label',
      { pkcs11: { ...PKCS11, token: '' } },
      ['/keys/nonprod/pkcs11/token'],
    ],
    [
      'a label longer than one can be',
      { pkcs11: { ...PKCS11, token: 'x'.repeat(33) } },
      ['/keys/nonprod/pkcs11/token'],
    ],
    [
      'a setting that is none',
      { ...FOLDER, pkcs11: { ...PKCS11, pin: '1234' } },
      ['/keys/nonprod/pkcs11/pin'],
    ],
  ])('%s', (_, keys, at) => {
    const path = configWith(keys, { pin: '1234', empty: '\n', open: 'secret' })
    chmodSync(join(path, '..', 'open'), 0o644)
    expect(places(path)).toEqual(at)
  })
})

test.each([
  ['https://keys.example.com/jwks.json', 0],
  ['http://127.0.0.1:1/jwks.json', 0],
  ['http://keys.example.com/jwks.json', 1],
  ['https://user@keys.example.com/jwks.json', 1],
  ['https://keys.example.com/jwks.json#a', 1],
  ['keys', 1],
])('the URL of a key set: %s', (jwksUrl, faults) => {
  expect(keyRules({ nonprod: { folder: 'private', jwksUrl } })).toHaveLength(faults)
})

test('a key that is in the folder twice, and a kid for two keys, are complaints beside the others', async () => {
  const pem = openssl(['ecparam', '-name', 'prime256v1', '-genkey', '-noout']).toString()
  const path = configWith({ folder: '.' }, { 'a.pem': pem, 'b.pem': pem, 'c.pem': 'no key' })
  chmodSync(join(path, '..'), 0o700)
  const { complaints } = await loadSigners(readConfig(path))
  expect(complaints.map(each => each.at)).toContain('/keys/nonprod')
  expect(complaints.map(each => each.message).join()).toMatch(
    /c\.pem is not .*a\.pem and .*b\.pem are the same key/s,
  )
})

const faultsOf = (parts: object): string[] =>
  keyRules({ nonprod: { folder: 'private', ...parts } }).map(({ at }) => at)

const jwksUrl = 'https://keys.example.com/jwks.json'

test.each<[string, object, string[]]>([
  ['a URL in clear', { jwksUrl: 'http://keys.example.com/jwks.json' }, ['jwksUrl']],
  ['a URL with a user', { jwksUrl: 'https://a:b@keys.example.com/' }, ['jwksUrl']],
  ['a URL with a fragment', { jwksUrl: `${jwksUrl}#x` }, ['jwksUrl']],
  ['no URL', { jwksUrl: 'keys' }, ['jwksUrl']],
  [
    'what is for a URL, without one',
    { ca: 'ca.pem', family: 4, watch: 5 },
    ['ca', 'family', 'watch'],
  ],
  [
    'a moment that is none',
    { liveSince: { kid: { time: '2026-13-01T00:00Z', reason: 'r' } } },
    ['liveSince/kid/time'],
  ],
])('%s is a complaint', (_, nonprod, at) => {
  expect(faultsOf(nonprod)).toEqual(at.map(each => `/keys/nonprod/${each}`))
})

test('what is good is no complaint, and loopback may be in clear', () => {
  const liveSince = { kid: { time: '2026-11-25T12:00Z', reason: 'seen by hand' } }
  expect(faultsOf({ jwksUrl, ca: 'ca.pem', watch: 5, guard: 5, liveSince })).toEqual([])
  expect(faultsOf({ jwksUrl: 'http://127.0.0.1:8080/jwks.json' })).toEqual([])
})

test('a moment is read as it is written, and the folder of standbys is watched too', () => {
  const liveSince = { kid: { time: '2026-11-25T12:00Z', reason: 'seen by hand' } }
  const path = configWith({ folder: 'private', standbyFolder: 'standby', liveSince })
  const { keys, sources } = readConfig(path)
  expect(keys.get('nonprod')?.liveSince).toEqual(
    new Map([['kid', { at: Date.UTC(2026, 10, 25, 12), reason: 'seen by hand' }]]),
  )
  expect(sources).toContain(join(path, '..', 'standby'))
})
