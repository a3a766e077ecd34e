import { expect, test } from 'vitest'
import { loadSigningKeys } from '../../../broker/keys/signing-keys.ts'
import { stateBy } from '../../../broker/keys/statements.ts'
import { ALGS } from '../../../keys-pipeline/algorithms.ts'
import { readStatement } from '../../../keys-pipeline/statements.ts'
import { folderWith, p256, p384, published, rsa, SET_URL } from '../../support/keys.ts'

const pairFor = (alg: string) => (alg === 'ES256' ? p256() : alg === 'ES384' ? p384() : rsa())

test.each(ALGS)('what a key of the broker’s says by %s is what the publisher reads', async alg => {
  const { secret, jwk } = pairFor(alg)
  const folder = folderWith({ 'a.jwk.json': { ...secret, kid: 'ours', alg } })
  const { chmodSync } = await import('node:fs')
  chmodSync(`${folder}/a.jwk.json`, 0o600)
  const [key] = loadSigningKeys(folder).keys
  if (!key) throw new Error('no key')
  const about = { thumbprint: 'print', url: SET_URL }
  const known = [published({ ...jwk, kid: 'ours', alg })]
  const possession = await stateBy(key, 'possession', { ...about, now: 1999 })
  expect(await readStatement('possession', possession, known, about)).toEqual({
    ...{ sub: 'print', aud: SET_URL, iat: 1 },
  })
  const release = await stateBy(key, 'release', { ...about, now: 5000, lastSigned: 1001 })
  expect(await readStatement('release', release, known, about)).toMatchObject({ last_signed: 2 })
  expect(await readStatement('release', possession, known, about)).toContain('typ')
})
