import { expect, test } from 'vitest'
import type { Complaint } from '../../broker/config-rules.ts'
import { readSharedCache } from '../../broker/shared-cache-config.ts'

function read(parts: Parameters<typeof readSharedCache>[0], file: string) {
  const complaints: Complaint[] = []
  const cache = readSharedCache(parts, {
    readSecret: () => Buffer.from(file),
    readAuthorities: () => 'pem',
    complaints,
  })
  return { cache, at: complaints.map(each => each.at) }
}

test('a URL from a file is judged as one from the config, and has no line end', () => {
  const secrets: string[] = []
  expect(read({ urlFile: 'f', secrets }, 'rediss://a\n').cache.url).toBe('rediss://a')
  expect(read({ urlFile: 'f', secrets }, 'redis://a').at).toEqual(['/sharedCache/urlFile'])
})

test('a secret has at least as many bytes as the key that is made of it', () => {
  const parts = { url: 'rediss://a', ca: 'c', secrets: ['s'] }
  expect(read(parts, 's'.repeat(31)).at).toEqual(['/sharedCache/secrets/0'])
  expect(read(parts, 's'.repeat(32))).toMatchObject({
    at: [],
    cache: { url: 'rediss://a', ca: 'pem', prefix: 'lockstep:' },
  })
})
