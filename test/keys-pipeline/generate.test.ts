import { execFileSync } from 'node:child_process'
import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Custody } from '../../keys-pipeline/add.ts'
import { ALGS } from '../../keys-pipeline/algorithms.ts'
import { type Generated, generateKey } from '../../keys-pipeline/generate.ts'
import { judgeKeys } from '../../keys-pipeline/pipeline.ts'
import { asIs, codes, folderWith, refusal, SET_URL } from '../support/keys.ts'

const custody = (keys: string): Custody => ({
  keys,
  environment: 'nonprod',
  url: SET_URL,
  role: 'signer',
  now: 0,
  show: asIs,
})
const make = (folder: string, more = {}): Generated =>
  generateKey(
    { alg: 'ES256', bits: 2048, privateFolder: join(folder, 'private'), ...more },
    custody(join(folder, 'keys')),
  )

test.each(ALGS)(
  'the halves of a pair for %s belong together and name the same kid and alg',
  alg => {
    const made = make(folderWith(), { alg })
    const secret = JSON.parse(readFileSync(made.privateFile, 'utf8'))
    const published = JSON.parse(readFileSync(made.file, 'utf8'))
    expect([secret.kid, secret.alg]).toEqual([published.kid, published.alg])
    expect(published.alg).toBe(alg)
    const signature = sign(
      'sha256',
      Buffer.from('x'),
      createPrivateKey({ key: secret, format: 'jwk' }),
    )
    expect(
      verify(
        'sha256',
        Buffer.from('x'),
        createPublicKey({ key: published, format: 'jwk' }),
        signature,
      ),
    ).toBe(true)
  },
)

test('the private half is for its owner alone and never among the public keys', () => {
  const folder = folderWith()
  const made = make(folder)
  expect(statSync(made.privateFile).mode & 0o777).toBe(0o600)
  expect(statSync(join(folder, 'private')).mode & 0o777).toBe(0o700)
  expect(judgeKeys(join(folder, 'keys'), asIs).findings).toEqual([])
})

test('a pair has the size and kid that were asked for', () => {
  expect(make(folderWith(), { alg: 'RS384', bits: 3072, kid: 'mine' })).toMatchObject({
    bits: 3072,
    kid: 'mine',
  })
})

test('a kid that is taken is refused before a private key is written', () => {
  const folder = folderWith()
  make(folder, { kid: 'k' })
  expect(() => make(folder, { kid: 'k' })).toThrowError(
    expect.objectContaining({ code: 'kid_duplicate' }),
  )
  expect(readdirSync(join(folder, 'private'))).toHaveLength(1)
})

test('in a checkout git ignores the private half, and what its .gitignore said stays', () => {
  const folder = folderWith()
  execFileSync('git', ['init', '-q', folder])
  mkdirSync(join(folder, 'private'))
  writeFileSync(join(folder, 'private', '.gitignore'), '*.bak')
  const first = make(folder)
  make(folder)
  expect(
    execFileSync('git', ['-C', folder, 'check-ignore', first.privateFile]).toString().trim(),
  ).toBe(first.privateFile)
  expect(readFileSync(join(folder, 'private', '.gitignore'), 'utf8')).toBe(
    '*.bak\n*.private.*\n.lockstep-*\n',
  )
})

test.each([
  ['a kid that is none', { kid: 'a\u001b[31m' }, 'kid_invalid'],
  ['an empty kid', { kid: '' }, 'kid_invalid'],
  ['a kid of serve --dev', { kid: 'dev-mine' }, 'kid_dev'],
])('%s is refused before anything is written', (_, more, code) => {
  const folder = folderWith()
  expect(codes(refusal(() => make(folder, more)))).toEqual([code])
  expect(readdirSync(folder)).toEqual([])
})

test('a private folder that cannot be made leaves no public key behind', () => {
  const folder = folderWith({ private: 'a file' })
  expect(codes(refusal(() => make(folder)))).toEqual(['write_failed'])
  expect(readdirSync(folder)).toEqual(['private'])
})

test('a folder that is a link into a checkout counts as inside it', () => {
  const folder = folderWith({ 'elsewhere/.gitkeep': '' })
  execFileSync('git', ['init', '-q', join(folder, 'repo')])
  mkdirSync(join(folder, 'repo', 'secrets'))
  symlinkSync('../repo/secrets', join(folder, 'elsewhere', 'link'))
  make(folder, { privateFolder: join(folder, 'elsewhere', 'link') })
  const untracked = execFileSync('git', [
    ...['-C', join(folder, 'repo'), 'status', '--porcelain', '--untracked-files=all'],
  ])
  expect(untracked.toString()).not.toContain('.private.')
})

test('no scratch is left beside the halves, and no two pairs are alike', () => {
  const folder = folderWith()
  const [one, two] = [make(folder), make(folder)]
  expect(one.thumbprint).not.toBe(two.thumbprint)
  expect(readdirSync(join(folder, 'private')).sort()).toEqual(
    [one, two].map(each => `${each.thumbprint}.private.jwk.json`).sort(),
  )
  expect(readdirSync(join(folder, 'keys'))).toEqual(['nonprod'])
})
