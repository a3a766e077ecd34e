import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { addKeys, type Custody, checkoutOf } from '../../keys-pipeline/add.ts'
import { isAlg } from '../../keys-pipeline/algorithms.ts'
import type { Registered } from '../../keys-pipeline/jwk.ts'
import { judgeKeys } from '../../keys-pipeline/pipeline.ts'
import { makeStatement } from '../../keys-pipeline/statements.ts'
import {
  asIs,
  codes,
  ecJwk,
  ecPair,
  fill,
  folderWith,
  type Pair,
  privateJwk,
  proofBy,
  published,
  refusalOf,
  rsaJwk,
  rsaPair,
  SET_URL,
  spki,
} from '../support/keys.ts'

const NOW = Date.UTC(2026, 10, 25)
const custody = (keys: string, more: Partial<Custody> = {}): Custody => ({
  ...{ keys, environment: 'production', url: SET_URL, role: 'signer', now: NOW, show: asIs },
  ...more,
})
const refused = async (work: Promise<unknown>): Promise<string[]> => codes(await refusalOf(work))

/** Adds as whoever holds the private halves of these pairs would. */
const add = (
  path: string,
  registered: Registered,
  custody: Custody,
  holders: Pair[] = [rsaPair(), ecPair()],
) => {
  const alg = isAlg(registered.alg) ? registered.alg : undefined
  const fitting = holders.filter(
    each =>
      alg === undefined || alg.startsWith('RS') === (each.publicKey.asymmetricKeyType === 'rsa'),
  )
  const proofs = fitting.map(each => proofBy(each, { url: custody.url, alg }))
  return addKeys(path, registered, proofs, custody)
}
const file = (content: string | object, name = 'key.json') =>
  join(folderWith({ [name]: content }), name)

test('a PEM becomes a JWK with its thumbprint as kid, and its entry in the lifecycle file', async () => {
  const keys = folderWith()
  const [added] = await add(file(spki(rsaPair().publicKey), 'key.pem'), {}, custody(keys))
  const print = added?.thumbprint ?? ''
  expect(
    JSON.parse(readFileSync(join(keys, 'production', `${print}.jwk.json`), 'utf8')),
  ).toMatchObject({ kid: print, alg: 'RS384' })
  const { environments, findings } = judgeKeys(keys, asIs)
  expect(findings).toEqual([])
  expect(environments.production.lifecycle).toEqual({
    [print]: {
      ...{ kid: print, created: '2026-11-25T00:00:00Z', role: 'signer' },
      proof: proofBy(rsaPair()),
    },
  })
})

test('a kid and an alg that are registered are kept', async () => {
  const keys = folderWith()
  await add(file(rsaJwk()), { kid: 'epic/2019', alg: 'RS256' }, custody(keys, { role: 'standby' }))
  const { production } = judgeKeys(keys, asIs).environments
  expect(production.keys[0]?.jwk).toMatchObject({ kid: 'epic/2019', alg: 'RS256' })
  expect(Object.values(production.lifecycle)[0]).toMatchObject({
    kid: 'epic/2019',
    role: 'standby',
  })
})

test('a JWKS adds each of its keys, without what must not be published', async () => {
  const keys = folderWith()
  expect(
    await add(file({ keys: [{ ...rsaJwk(), x5c: ['x'] }, ecJwk()] }), {}, custody(keys)),
  ).toHaveLength(2)
  for (const name of readdirSync(join(keys, 'production'))) {
    expect(readFileSync(join(keys, 'production', name), 'utf8')).not.toContain('x5c')
  }
})

test('a key is added beside those that are there, whose entries stay', async () => {
  const keys = folderWith()
  await add(file(rsaJwk()), {}, custody(keys))
  await add(file(ecJwk()), {}, custody(keys, { now: NOW + 1000 }))
  expect(Object.values(judgeKeys(keys, asIs).environments.production.lifecycle)).toHaveLength(2)
})

describe('is refused, and nothing is written', () => {
  test.each<[string, string | object, object, string[]]>([
    ['a private key', privateJwk(), {}, ['private_member']],
    ['a file without keys', { keys: [] }, {}, ['set_empty']],
    ['one kid for two keys', { keys: [rsaJwk(), ecJwk()] }, { kid: 'k' }, ['kid_duplicate']],
    ['an alg that does not fit', ecJwk(), { alg: 'RS256' }, ['alg_mismatch']],
    ['a kid that is none', rsaJwk(), { kid: 'a\nb' }, ['kid_invalid']],
  ])('%s', async (_, content, registered, expected) => {
    const keys = folderWith()
    expect(await refused(add(file(content), registered, custody(keys)))).toEqual(expected)
    expect(readdirSync(keys)).toEqual([])
  })

  test('a key that is there already, in either environment', async () => {
    const keys = folderWith()
    await add(file(rsaJwk()), {}, custody(keys))
    expect(await refused(add(file(rsaJwk()), { kid: 'new' }, custody(keys)))).toEqual(['key_twice'])
    expect(
      await refused(add(file(rsaJwk()), {}, custody(keys, { environment: 'nonprod' }))),
    ).toEqual(['key_in_both_environments'])
    expect(readdirSync(join(keys, 'production'))).toHaveLength(2)
  })

  test('a file that is not there', async () => {
    expect(await refused(add('/nowhere', {}, custody(folderWith())))).toEqual(['file_unreadable'])
  })
})

test('a checkout is found at or above a folder', () => {
  const folder = folderWith({ 'repo/.git/HEAD': '' })
  mkdirSync(join(folder, 'repo', 'a'))
  const exists = (path: string) => path === join(folder, 'repo', '.git')
  expect(checkoutOf(join(folder, 'repo', 'a'), exists)).toBe(join(folder, 'repo'))
  expect(checkoutOf(folder, exists)).toBeNull()
})

test('a file whose name is taken is not touched, and none of the keys is added', async () => {
  const [one, two] = [published(ecJwk('P-256', 1)), published(ecJwk('P-256', 2))]
  const keys = folderWith()
  const taken = `production/${two.thumbprint}.jwk.json`
  fill(keys, { [taken]: rsaJwk() })
  const set = file({ keys: [one.jwk, two.jwk] })
  expect(
    await refused(add(set, {}, custody(keys), [ecPair('P-256', 1), ecPair('P-256', 2)])),
  ).toEqual(['file_exists'])
  expect(JSON.parse(readFileSync(join(keys, taken), 'utf8'))).toEqual(rsaJwk())
  expect(readdirSync(join(keys, 'production')).filter(name => name.endsWith('.jwk.json'))).toEqual([
    `${two.thumbprint}.jwk.json`,
  ])
})

test('the 101st key is refused', async () => {
  const jwks = (count: number, from = 0) => ({
    keys: Array.from({ length: count }, (_, at) => ecJwk('P-256', from + at)),
  })
  const keys = folderWith()
  const holders = Array.from({ length: 100 }, (_, at) => ecPair('P-256', at))
  expect(await add(file(jwks(100)), {}, custody(keys), holders)).toHaveLength(100)
  expect(await refused(add(file(jwks(1, 100)), {}, custody(keys)))).toEqual(['too_many_keys'])
  expect(judgeKeys(keys, asIs).keys).toBe(100)
})

test('a damaged lifecycle file is refused, and stays for somebody to mend', async () => {
  const keys = folderWith({ 'production/lifecycle.json': '{"keys":' })
  expect(await refused(add(file(rsaJwk()), {}, custody(keys)))).toEqual(['lifecycle_unreadable'])
  expect(readFileSync(join(keys, 'production/lifecycle.json'), 'utf8')).toBe('{"keys":')
})

test('the file that is added is written from the key alone, readable for all and for its owner to write', async () => {
  const keys = folderWith()
  const [added] = await add(file({ ...ecJwk(), note: 'x', x5c: ['x'] }), {}, custody(keys))
  expect(JSON.parse(readFileSync(added?.file ?? '', 'utf8'))).toEqual(published(ecJwk()).jwk)
  expect(statSync(added?.file ?? '').mode & 0o777).toBe(0o644)
})

describe('whoever adds a key proves to hold its private half', () => {
  const custodyOfNew = () => custody(folderWith())
  const [mine, other] = [ecPair(), ecPair('P-256', 1)]

  test.each<[string, string[], string[]]>([
    ['no proof', [], ['proof_missing']],
    ['a proof by another key', [proofBy(other)], ['proof_invalid']],
    ['a proof for another URL', [proofBy(mine, { url: `${SET_URL}x` })], ['proof_invalid']],
    ['a proof that was cut short', [proofBy(mine).slice(0, -4)], ['proof_invalid']],
    ['something that is no proof', ['x'], ['proof_invalid']],
    ['a proof among others', [proofBy(other), proofBy(mine)], []],
  ])('%s', async (_, proofs, expected) => {
    const { keys, ...rest } = custodyOfNew()
    expect(await refused(addKeys(file(ecJwk()), {}, proofs, { keys, ...rest }))).toEqual(expected)
    expect(readdirSync(keys)).toEqual(expected.length > 0 ? [] : ['production'])
  })

  test('a release is no proof', async () => {
    const release = makeStatement(
      'release',
      { sub: published(ecJwk()).thumbprint, aud: SET_URL, iat: 0 },
      { key: mine.privateKey, jwk: published(ecJwk()).jwk },
    )
    expect(await refused(addKeys(file(ecJwk()), {}, [release], custodyOfNew()))).toEqual([
      'proof_invalid',
    ])
  })
})
