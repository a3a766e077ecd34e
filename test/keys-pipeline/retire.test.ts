import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { addKeys, type Custody } from '../../keys-pipeline/add.ts'
import { judgeKeys } from '../../keys-pipeline/pipeline.ts'
import { type Retire, retireKey } from '../../keys-pipeline/retire.ts'
import { makeStatement } from '../../keys-pipeline/statements.ts'
import {
  asIs,
  codes,
  ecJwk,
  ecPair,
  folderWith,
  p256,
  proofBy,
  published,
  refusalOf,
  SET_URL,
} from '../support/keys.ts'

const NOW = Date.UTC(2026, 10, 25)
const [old, stays] = [0, 1].map(which => published(ecJwk('P-256', which)))
if (!old || !stays) throw new Error('two keys')

async function custodyOf(count: number): Promise<Custody> {
  const keys = folderWith()
  const custody: Custody = {
    ...{ keys, environment: 'production', url: SET_URL, role: 'signer', now: NOW, show: asIs },
  }
  for (let which = 0; which < count; which++) {
    const from = folderWith({ 'key.json': ecJwk('P-256', which) })
    await addKeys(join(from, 'key.json'), {}, [proofBy(ecPair('P-256', which))], custody)
  }
  return custody
}

const release = (about = old.thumbprint, by = 1): string =>
  makeStatement(
    'release',
    { sub: about, aud: SET_URL, iat: NOW / 1000 },
    { key: ecPair('P-256', by).privateKey, jwk: published(ecJwk('P-256', by)).jwk },
  )

const retire = async (more: Partial<Retire>, custody: Custody) =>
  codes(await refusalOf(retireKey({ kid: old.jwk.kid, reason: 'rotation', ...more }, custody)))

/** What is in the folder, byte for byte. */
const contents = ({ keys }: Custody): string =>
  readdirSync(join(keys, 'production'))
    .map(name => readFileSync(join(keys, 'production', name), 'utf8'))
    .join('\n')

test.each<[string, Partial<Retire>]>([
  ['released', { release: release() }],
  ['by a team without a broker', { unreleased: true }],
  ['in an emergency', { emergency: true }],
])('a key that goes %s leaves its reason, and only that', async (_, how) => {
  const custody = await custodyOf(2)
  expect(await retire(how, custody)).toEqual([])
  const { environments, findings } = judgeKeys(custody.keys, asIs)
  expect(findings).toEqual([])
  expect(environments.production.keys.map(each => each.thumbprint)).toEqual([stays.thumbprint])
  expect(environments.production.lifecycle[old.thumbprint]?.retired).toEqual({
    at: '2026-11-25T00:00:00Z',
    reason: 'rotation',
    ...how,
  })
})

test('a private key in the reason is refused, and not written', async () => {
  const custody = await custodyOf(2)
  const before = contents(custody)
  const reason = p256().privatePem
  expect(await retire({ reason, emergency: true }, custody)).toEqual(['private_member'])
  expect(contents(custody)).toBe(before)
})

describe('is refused, and nothing changes', () => {
  test.each<[string, number, Partial<Retire>, string[]]>([
    ['a kid that is not there', 2, { kid: 'nobody', emergency: true }, ['key_not_found']],
    ['the last key', 1, { unreleased: true }, ['set_empty']],
    ['the last key, in an emergency too', 1, { emergency: true }, ['set_empty']],
    ['a key that nobody released', 2, {}, ['still_signing']],
    [
      'a release by the key that goes',
      2,
      { release: release(old.thumbprint, 0) },
      ['release_invalid'],
    ],
    [
      'a release of the key that stays',
      2,
      { release: release(stays.thumbprint) },
      ['release_invalid'],
    ],
    ['a release that is none', 2, { release: 'x' }, ['release_invalid']],
  ])('%s', async (_, count, how, expected) => {
    const custody = await custodyOf(count)
    const before = contents(custody)
    expect(await retire(how, custody)).toEqual(expected)
    expect(contents(custody)).toBe(before)
  })

  test('a key in a file with others', async () => {
    const keys = folderWith({ 'production/all.json': { keys: [ecJwk(), ecJwk('P-256', 1)] } })
    const custody = { ...(await custodyOf(0)), keys }
    expect(await retire({ unreleased: true }, custody)).toEqual(['several_keys_in_file'])
    expect(existsSync(join(keys, 'production/all.json'))).toBe(true)
  })
})

test('a key that was retired never comes back, nor does its kid for another key', async () => {
  const custody = await custodyOf(2)
  await retire({ unreleased: true }, custody)
  const add = async (which: number, kid?: string) => {
    const from = folderWith({ 'key.json': ecJwk('P-256', which) })
    const proofs = [proofBy(ecPair('P-256', which))]
    return codes(await refusalOf(addKeys(join(from, 'key.json'), { kid }, proofs, custody)))
  }
  expect(await add(0)).toEqual(['retired_key_returns'])
  expect(await add(2, old.jwk.kid)).toEqual(['kid_changed'])
  expect(await add(2)).toEqual([])
})

test('what a killed run began, the next one ends, with the reason of the first', async () => {
  const custody = await custodyOf(2)
  const [file] = judgeKeys(custody.keys, asIs).environments.production.keys.filter(
    each => each.thumbprint === old.thumbprint,
  )
  const text = readFileSync(file?.file ?? '', 'utf8')
  await retire({ unreleased: true }, custody)
  writeFileSync(file?.file ?? '', text)
  expect(codes(judgeKeys(custody.keys, asIs).findings)).toEqual(['retired_key_returns'])
  expect(await retire({ unreleased: true, reason: 'again' }, custody)).toEqual([])
  const { environments, findings } = judgeKeys(custody.keys, asIs)
  expect(findings).toEqual([])
  expect(environments.production.lifecycle[old.thumbprint]?.retired?.reason).toBe('rotation')
})
