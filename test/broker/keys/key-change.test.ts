import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { addByHand, additionOf, removalOf, removeByHand } from '../../../broker/keys/key-change.ts'
import type { KeyFacts } from '../../../broker/keys/key-facts.ts'
import { parseLifecycle, serializeLifecycle } from '../../../keys-pipeline/lifecycle.ts'
import { ecJwk, published } from '../../support/keys.ts'

const KIDS = ['kid-1', "o'neill", '$(touch x)', 'a b`c`', '-rf']
const keyOf = (kid: string) => published({ ...ecJwk('P-256', 7), kid })
const factsOf = (kid: string): KeyFacts => ({
  ...{ thumbprint: keyOf(kid).thumbprint, kid, alg: 'ES256', created: 1_700_000_000_123 },
  ...{ role: 'standby', isHere: true, revokedAt: null, isReleased: false },
})
const withdrawal = (reason: string, release: string | null = 'a.b.c') => ({
  ...{ thumbprint: 'print', at: 1_700_000_100_000, reason, release, proposal: null },
})

describe.each(KIDS)('a key called %s', kid => {
  const key = factsOf(kid)
  const addition = { key, jwk: keyOf(kid).jwk, proof: 'a.b.c' }

  test('comes as a file of its public half, with an entry that the publisher can read', () => {
    const { files, lifecycle } = additionOf('nonprod', addition)
    expect(JSON.parse(`${files[0]?.bytes}`)).toEqual(addition.jwk)
    expect(parseLifecycle(serializeLifecycle(lifecycle), 'x')).toEqual({
      [key.thumbprint]: { kid, created: '2023-11-14T22:13:20Z', role: 'standby', proof: 'a.b.c' },
    })
  })

  test('is written by a shell as it is', () => {
    const [write = ''] = addByHand('nonprod', addition)
    const text = execFileSync('sh', ['-ec', write.replace(/ > .*$/, '')], { encoding: 'utf8' })
    expect(JSON.parse(text)).toEqual(addition.jwk)
  })

  test('is named to a command as one word, and no option', () => {
    const [retire = ''] = removeByHand('nonprod', key, withdrawal("it's over"))
    const words = execFileSync('sh', ['-ec', retire.replace('npm', 'printf "%s\\n"')], {
      encoding: 'utf8',
    }).split('\n')
    expect(words).toEqual(expect.arrayContaining(["it's over", '--release', 'a.b.c']))
    expect(words.slice(kid.startsWith('-') ? -3 : -2, -1)).toEqual(
      kid.startsWith('-') ? ['--', kid] : [kid],
    )
  })
})

test('a key that was revoked goes as an emergency, without anybody’s release', () => {
  const key = factsOf('kid-1')
  const { files, lifecycle } = removalOf('production', key, withdrawal('leaked', null))
  expect(files).toEqual([])
  expect(lifecycle[key.thumbprint]?.retired).toEqual({
    ...{ at: '2023-11-14T22:15:00Z', reason: 'leaked', emergency: true },
  })
  expect(removeByHand('production', key, withdrawal('leaked', null))[0]).toContain('--emergency')
})
