import { expect, test } from 'vitest'
import { PRIVATE_MEMBERS } from '../../../keys-pipeline/algorithms.ts'
import { judgeKeys } from '../../../keys-pipeline/doctor/judge-keys.ts'
import { privateJwk, published, rsaJwk } from '../../support/keys.ts'

const look = (document: unknown) => ({
  ...{
    url: 'https://keys.example.com/jwks.json',
    failure: null,
    status: 200,
    headers: {},
    took: 1,
  },
  body: Buffer.from(JSON.stringify(document)),
})
const nothing = { ehr: 'epic' as const, comparison: null, privateKey: null }
const good = { ...rsaJwk(), kid: 'a', alg: 'RS384', use: 'sig' }

test('no remark on a private key repeats any of it', () => {
  const secret = privateJwk()
  const { remarks } = judgeKeys(look({ keys: [good, { ...secret, kid: 'b' }] }), nothing)
  expect(remarks.map(each => each.code)).toEqual(['private_member'])
  const text = JSON.stringify(remarks)
  for (const name of PRIVATE_MEMBERS.filter(each => typeof secret[each] === 'string'))
    expect(text).not.toContain(`${secret[name]}`.slice(0, 12))
})

test('what stands in a set is shown harmless and short', () => {
  const nasty = { ...good, kid: `\u001b[2J\u202e${'x'.repeat(5000)}`, ['\u0007'.repeat(500)]: 1 }
  const text = judgeKeys(look({ keys: [nasty] }), nothing)
    .remarks.map(each => each.seen)
    .join('\n')
  expect(text).toMatch(/^[\x20-\x7e\n]+$/)
  expect(text.length).toBeLessThan(3000)
})

test('all faults of all keys are told at once', () => {
  const { remarks } = judgeKeys(
    look({ keys: [{ ...good, alg: 'none' }, { ...good, kid: 'b', use: 'enc' }, { kty: 'OKP' }] }),
    nothing,
  )
  const bad = remarks.filter(each => each.level === 'bad').map(each => each.code)
  expect(bad.sort()).toEqual(['alg_unsupported', 'kid_missing', 'kty_unsupported', 'use_not_sig'])
})

test('a set with a bad key is not said to differ from the repository for that alone', () => {
  const key = published(good)
  const comparison = { environment: 'production', text: '', keys: [key], others: [] }
  const { remarks } = judgeKeys(look({ keys: [{ ...good, use: 'enc' }] }), {
    ...nothing,
    comparison,
  })
  expect(remarks.filter(each => each.check === 'repository')).toEqual([])
})

test('a private key without a kid of its own is found under the kid that is published', () => {
  const { jwk, ...half } = published(rsaJwk())
  const privateKey = { ...half, jwk: { ...jwk, kid: half.thumbprint } }
  const { remarks } = judgeKeys(look({ keys: [good] }), { ...nothing, privateKey })
  expect(remarks.find(each => each.check === 'private_key')?.level).toBe('good')
})
