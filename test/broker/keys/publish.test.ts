import { expect, test } from 'vitest'
import { installationToken, openPublisher } from '../../../broker/keys/publish.ts'
import { KEYS_FOLDER, type KeyChange } from '../../../keys-pipeline/github/key-changes.ts'
import { githubForEach, REPOSITORY, UNPACED } from '../../support/github-server.ts'
import { ecJwk, published } from '../../support/keys.ts'

const server = githubForEach()
const KEY = published({ ...ecJwk('P-256', 3), kid: 'kid-3' })
const CHANGE: KeyChange = {
  environment: 'nonprod',
  files: [{ name: 'new.jwk.json', bytes: Buffer.from(JSON.stringify(KEY.jwk)) }],
  lifecycle: {
    [KEY.thumbprint]: { kid: 'kid-3', created: '2026-11-25T00:00:00Z', role: 'signer' },
  },
}

const access = () => ({
  ...{ repository: REPOSITORY, baseUrl: server().url, fetch: globalThis.fetch },
  throttle: UNPACED.throttle,
})
function publisher(token = async () => 'a-secret-token') {
  server().git.commit({ [`${KEYS_FOLDER}/nonprod/.gitkeep`]: '' })
  return openPublisher(access(), token)
}

test('a change becomes a pull request, and is the same one when it is repeated', async () => {
  const { propose } = publisher()
  const opened = await propose(CHANGE)
  expect(opened).toEqual({ did: 'opened', number: 1, url: expect.stringContaining('/pull/1') })
  expect(await propose(CHANGE)).toEqual({ ...opened, did: 'unchanged' })
})

test('a proposal is taken back and made again by its number', async () => {
  const { propose, look, close, reopen } = publisher()
  await propose(CHANGE)
  await close(1, 'needed')
  expect([await look(1), (await propose(CHANGE)).did]).toEqual(['closed', 'declined'])
  await reopen(1)
  expect([await look(1), (await propose(CHANGE)).did]).toEqual(['open', 'unchanged'])
  await expect(look(2)).rejects.toMatchObject({
    ...{ code: 'proposal_failed', facts: { finding: 'github_not_found' } },
  })
})

test('what the default branch has is not proposed', async () => {
  const { propose } = publisher()
  expect(await propose({ ...CHANGE, files: [], lifecycle: {} })).toEqual({ did: 'unneeded' })
})

test('what the publisher would refuse is refused with its finding and its fix, before anything is sent', async () => {
  const { propose } = publisher()
  const files = [{ name: 'new.jwk.json', bytes: Buffer.from('{"kty":"RSA","d":"secret"}') }]
  await expect(propose({ ...CHANGE, files })).rejects.toMatchObject({
    code: 'proposal_failed',
    facts: { repository: REPOSITORY, finding: 'private_member', fix: expect.any(String) },
  })
  expect(server().writes()).toEqual([])
})

test('the token is asked for each time, and is in no error', async () => {
  let count = 0
  const { propose } = publisher(async () => `a-secret-token-${++count}`)
  const body = { message: 'Bad credentials a-secret-token-1' }
  server().faults.push({ status: 401, body })
  const refused = await propose(CHANGE).catch(error => error)
  expect(refused).toMatchObject({ code: 'proposal_failed', facts: { finding: 'github_refused' } })
  expect(JSON.stringify([refused, refused.facts, `${refused.stack}`])).not.toContain('secret')
  await propose(CHANGE)
  expect(server().requests.at(-1)?.authorization).toBe('token a-secret-token-2')
})

test('a token that cannot be had is not proposed with', async () => {
  const { propose } = publisher(async () => {
    throw new Error('no file')
  })
  await expect(propose(CHANGE)).rejects.toThrow('no file')
  expect(server().requests).toEqual([])
})

test('the record is asked for with a token that need not write', async () => {
  const { made, live } = publisher()
  expect(await made('nonprod')).toEqual({})
  const reading = openPublisher(
    access(),
    async () => 'to-write',
    async () => 'to-read',
  )
  const url = 'https://keys.example.com/jwks.json'
  expect(await reading.live('nonprod', { url, before: 0 })).toEqual({})
  expect(server().requests.at(-1)?.authorization).toBe('token to-read')
  expect(await live('nonprod', { url, before: 0 })).toEqual({})
  expect(server().writes()).toEqual([])
})

test('an app gets a token for that repository and no more than a proposal needs', async () => {
  const sent: { url: string; body: unknown; authorization: string | null }[] = []
  const fetch: typeof globalThis.fetch = async (url, init) => {
    sent.push({
      url: `${url}`,
      body: JSON.parse(`${init?.body}`),
      authorization: new Headers(init?.headers).get('authorization'),
    })
    const body = JSON.stringify({ token: 'ghs_x', expires_at: '2026-11-25T01:00:00Z' })
    const headers = { 'content-type': 'application/json' }
    return new Response(body, { status: 201, headers })
  }
  const exchange = installationToken({ ...access(), fetch }, 99)
  expect(await exchange('a.b.c')).toEqual({ token: 'ghs_x', expiresAt: '2026-11-25T01:00:00Z' })
  expect(sent).toEqual([
    {
      url: `${server().url}/app/installations/99/access_tokens`,
      authorization: 'bearer a.b.c',
      body: {
        repositories: ['keys'],
        permissions: { contents: 'write', pull_requests: 'write' },
      },
    },
  ])
})
