import process from 'node:process'
import { expect, test } from 'vitest'
import type { Config } from '../../broker/config.ts'
import { loadSigners } from '../../broker/signers.ts'
import { folderWith, freshEc, p256, p384 } from '../support/keys.ts'
import { upstream } from '../support/upstream.ts'

function load(
  files: Record<string, string>,
  { standby, alg = 'ES256' }: { standby?: Record<string, string>; alg?: 'ES256' | 'RS384' } = {},
) {
  const folder = folderWith(files)
  const standbyFolder = standby ? folderWith(standby) : null
  const config = {
    keys: new Map([['nonprod', { folder, standbyFolder, passphrase: null, token: null }]]),
    upstreams: new Map([['ehr', upstream({ alg })]]),
  } as unknown as Config
  return loadSigners(config)
}

/** Files that nobody else may read, as the broker wants them. */
async function privately<T>(work: () => Promise<T>): Promise<T> {
  const before = process.umask(0o077)
  try {
    return await work()
  } finally {
    process.umask(before)
  }
}

const loadFrom = (...args: Parameters<typeof load>) => privately(() => load(...args))

test('several keys of one algorithm are no fault, and a standby’s folder says that they are standbys', async () => {
  const files = { 'a.pem': freshEc().privatePem, 'b.pem': freshEc().privatePem }
  const { signers, complaints } = await loadFrom(files, {
    standby: { 'c.pem': freshEc().privatePem },
  })
  expect(complaints).toEqual([])
  expect(signers.get('nonprod')?.map(({ role }) => role)).toEqual(['signer', 'signer', 'standby'])
})

test('an upstream whose algorithm no key has is a complaint, and a standby is none of its keys', async () => {
  const { complaints } = await loadFrom({ 'a.pem': p256().privatePem }, { alg: 'RS384' })
  expect(complaints.map(({ at }) => at)).toEqual(['/upstreams/ehr'])
  const standby = { 'b.pem': p256().privatePem }
  const other = await loadFrom({ 'a.pem': p384().privatePem }, { standby, alg: 'ES256' })
  expect(other.complaints.map(({ at }) => at)).toEqual(['/upstreams/ehr'])
})

test.each([
  ['one key in two files', { 'a.pem': p256().privatePem, 'b.pem': p256().privatePem }],
  [
    'one kid for two keys',
    {
      'a.jwk.json': JSON.stringify({ ...freshEc().secret, kid: 'same' }),
      'b.jwk.json': JSON.stringify({ ...freshEc().secret, kid: 'same' }),
    },
  ],
])('%s is a complaint', async (_, files) => {
  expect((await loadFrom(files)).complaints.map(({ at }) => at)).toEqual(['/keys/nonprod'])
})

test('one key for signing and for standing by is a complaint', async () => {
  const { privatePem: pem } = p256()
  const { complaints } = await loadFrom({ 'a.pem': pem }, { standby: { 'b.pem': pem } })
  expect(complaints).toHaveLength(1)
})
