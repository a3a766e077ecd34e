import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { findMade, makeKey } from '../../../broker/keys/make-key.ts'
import { loadSigningKeys } from '../../../broker/keys/signing-keys.ts'
import { ALGS } from '../../../keys-pipeline/algorithms.ts'
import { newPairBeside } from '../../../keys-pipeline/key-pair.ts'
import { folderWith } from '../../support/keys.ts'

const FILE = 'rotation-r.private.jwk.json'
const HAND = { makePair: newPairBeside, writer: '', mayWrite: async () => {} }
const make = (folder: string, alg: (typeof ALGS)[number] = 'ES256') =>
  makeKey({ folder, passphrase: null }, { id: 'r', alg }, HAND)

function privateFolder(): string {
  const folder = folderWith()
  chmodSync(folder, 0o700)
  return folder
}

test.each(ALGS)(
  'a key for %s is one that the broker loads, found again by its rotation',
  async alg => {
    const folder = privateFolder()
    const thumbprint = await make(folder, alg)
    expect(statSync(join(folder, FILE)).mode & 0o777).toBe(0o600)
    expect(loadSigningKeys(folder)).toMatchObject({
      complaints: [],
      keys: [{ thumbprint, kid: thumbprint, alg }],
    })
    expect(findMade({ folder, passphrase: null }, 'r')).toBe(thumbprint)
    expect(findMade({ folder, passphrase: null }, 'another')).toBeNull()
    expect(readdirSync(folder)).toEqual([FILE])
  },
)

test('a draft that a killed process left is no key, and is written over', async () => {
  const folder = privateFolder()
  writeFileSync(join(folder, '.lockstep-draft.private'), '{"kty":"EC","d":"ha')
  expect(loadSigningKeys(folder).isEmpty).toBe(true)
  await make(folder)
  expect(readdirSync(folder)).toEqual([FILE])
})

test('of two that make the key of one rotation at the same moment the first one’s is the key of both', async () => {
  const folder = privateFolder()
  const place = { folder, passphrase: null }
  let first = ''
  const second = await makeKey(
    place,
    { id: 'r', alg: 'ES256' },
    {
      ...{ makePair: newPairBeside, writer: 'second' },
      mayWrite: async () => {
        first = await make(folder)
      },
    },
  )
  expect(second).toBe(first)
  expect(readdirSync(folder)).toEqual([FILE])
})

test('who may not write any more leaves nothing behind', async () => {
  const folder = privateFolder()
  const late = { ...HAND, mayWrite: () => Promise.reject(new Error('late')) }
  await expect(
    makeKey({ folder, passphrase: null }, { id: 'r', alg: 'ES256' }, late),
  ).rejects.toThrow('late')
  expect(readdirSync(folder)).toEqual([])
})

describe('a file under the name of the rotation that is no key is refused, and nothing of it is told', () => {
  test.each(['{"d":"secret"', '{"kty":"EC","d":"secret"}', '"secret"', ''])('%j', text => {
    const folder = folderWith({ [FILE]: text })
    try {
      findMade({ folder, passphrase: null }, 'r')
      expect.unreachable()
    } catch (error) {
      expect(error).toMatchObject({ code: 'file_unreadable' })
      expect(JSON.stringify([error, String(error)])).not.toContain('secret')
    }
  })
})

test('what can be mended is another refusal than a folder that is not ours to write', async () => {
  const folder = folderWith()
  mkdirSync(join(folder, FILE))
  await expect(make(folder)).rejects.toMatchObject({ code: 'file_unreadable' })
  await expect(make(join(folder, 'nowhere'))).rejects.toMatchObject({
    code: 'file_not_written',
    facts: { reason: 'ENOENT' },
  })
})

describe('where the files have a passphrase', () => {
  const passphrase = 'open sesame'
  const place = (folder: string) => ({ folder, passphrase })

  test.each(['RS384', 'ES256', 'ES384'] as const)('a key for %s has it too', async alg => {
    const folder = privateFolder()
    const thumbprint = await makeKey(place(folder), { id: 'r', alg }, HAND)
    const [name = ''] = readdirSync(folder)
    expect(readFileSync(join(folder, name), 'utf8')).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY/)
    expect(findMade(place(folder), 'r')).toBe(thumbprint)
    expect(loadSigningKeys(folder, { file: 'pass', text: passphrase })).toMatchObject({
      ...{ complaints: [], keys: [{ thumbprint, alg }] },
    })
  })

  test('a PEM could not say that it is for another algorithm than that of its type', async () => {
    const folder = privateFolder()
    await expect(makeKey(place(folder), { id: 'r', alg: 'RS256' }, HAND)).rejects.toMatchObject({
      code: 'private_key_needed',
      facts: { reason: 'passphrase' },
    })
    expect(readdirSync(folder)).toEqual([])
  })
})
