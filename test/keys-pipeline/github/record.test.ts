import { describe, expect, test } from 'vitest'
import { KEYS_FOLDER } from '../../../keys-pipeline/github/key-changes.ts'
import { liveTimes, madeTimes } from '../../../keys-pipeline/github/record.ts'
import type { PublicKey } from '../../../keys-pipeline/jwk.ts'
import { serializeLifecycle } from '../../../keys-pipeline/lifecycle.ts'
import { githubForEach } from '../../support/github-server.ts'
import { codes, ecJwk, published, refusalOf } from '../../support/keys.ts'

const server = githubForEach()
const [a, b] = [0, 1].map(which => published(ecJwk('P-256', which)))
if (!a || !b) throw new Error('two keys')
const FOLDER = `${KEYS_FOLDER}/nonprod`
const CREATED = '2026-11-01T00:00:00Z'
const settingsAt = (baseUrl: string) => `baseUrl: ${baseUrl}
environments:
  production: { path: .well-known/jwks.json }
  nonprod: { path: nonprod/.well-known/jwks.json }
guard: { live: 1200, retired: 1500 }
`
const SETTINGS = settingsAt('https://keys.example.com')
const URL_OF_SET = 'https://keys.example.com/nonprod/.well-known/jwks.json'
const at = (hour: number): number => Date.UTC(2026, 10, 25, hour)

const files = (...keys: PublicKey[]) =>
  Object.fromEntries(
    keys.map(({ thumbprint, jwk }) => [`${FOLDER}/${thumbprint}.jwk.json`, JSON.stringify(jwk)]),
  )
function deploy(hour: number, keys: PublicKey[], settings = SETTINGS): void {
  const sha = server().git.commit({
    'keys-pipeline/publisher.yaml': settings,
    ...files(...keys),
  })
  const created_at = new Date(at(hour)).toISOString().replace('.000', '')
  server().deployments.unshift({
    ...{ id: server().deployments.length + 1, sha, environment: 'github-pages' },
    statuses: [{ state: 'success', created_at }],
  })
}
const live = (before = at(0)) => liveTimes(server().open(), 'nonprod', { url: URL_OF_SET, before })

describe('when keys were made', () => {
  const entry = { kid: a.jwk.kid, created: CREATED, role: 'signer' } as const

  test('is what the lifecycle file of the default branch says, of those that are gone too', async () => {
    const retired = { at: CREATED, reason: 'replaced', unreleased: true } as const
    server().git.commit({
      [`${FOLDER}/lifecycle.json`]: serializeLifecycle({
        [a.thumbprint]: entry,
        [b.thumbprint]: { ...entry, kid: b.jwk.kid, retired },
      }),
    })
    expect(await madeTimes(server().open(), 'nonprod')).toEqual({
      [a.thumbprint]: Date.parse(CREATED),
      [b.thumbprint]: Date.parse(CREATED),
    })
    expect(await madeTimes(server().open(), 'production')).toEqual({})
  })

  test('is refused where the file is none', async () => {
    server().git.commit({ [`${FOLDER}/lifecycle.json`]: '{' })
    expect(codes(await refusalOf(madeTimes(server().open(), 'nonprod')))).toEqual([
      'lifecycle_unreadable',
    ])
  })
})

describe('since when keys are live', () => {
  test('is told by the unbroken run of deployments', async () => {
    deploy(1, [a, b])
    deploy(2, [a])
    deploy(3, [a, b])
    expect(await live()).toEqual({ [a.thumbprint]: at(1), [b.thumbprint]: at(3) })
  })

  test('is later than true where nobody looks further back, and never earlier', async () => {
    deploy(1, [a])
    deploy(2, [a])
    deploy(3, [a])
    expect(await live(at(2))).toEqual({ [a.thumbprint]: at(2) })
  })

  test('is nothing for a set that was published elsewhere', async () => {
    deploy(1, [a], settingsAt('https://old.example.com'))
    deploy(2, [a])
    expect(await live()).toEqual({ [a.thumbprint]: at(2) })
    deploy(3, [a], 'no settings')
    expect(await live()).toEqual({})
  })

  test('is nothing where nothing was deployed', async () => {
    expect(await live()).toEqual({})
  })
})
