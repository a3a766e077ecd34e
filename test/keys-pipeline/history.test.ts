import { describe, expect, test } from 'vitest'
import {
  liveSince,
  type Publication,
  type Recorded,
  readHistory,
} from '../../keys-pipeline/history.ts'
import type { PublicKey } from '../../keys-pipeline/jwk.ts'
import { ecJwk, published } from '../support/keys.ts'

const [a, b] = [0, 1].map(which => published(ecJwk('P-256', which)))
if (!a || !b) throw new Error('two keys')

const publication = (since: number, ...keys: PublicKey[]): Publication => ({
  sha: `${since}`,
  since,
  sets: { production: { url: null, keys }, nonprod: { url: null, keys: [] } },
})

describe('a key is live since the oldest publication of the unbroken run that has it', () => {
  test.each<[string, Publication[], number | null]>([
    ['nothing published', [], null],
    ['not in the newest', [publication(5, b), publication(1, a)], null],
    ['in the newest alone', [publication(5, a), publication(1, b)], 5],
    ['in all', [publication(5, a), publication(3, a, b), publication(1, a)], 1],
    [
      'with a break',
      [publication(5, a), publication(4, a), publication(3, b), publication(1, a)],
      4,
    ],
  ])('%s', (_, history, since) => {
    expect(liveSince(history, 'production', a.thumbprint)).toBe(since)
    expect(liveSince(history, 'nonprod', a.thumbprint)).toBeNull()
  })
})

async function* records(count: number, settings = 'x'): AsyncGenerator<Recorded> {
  for (let at = 0; at < count; at++) {
    yield {
      sha: `${at}`,
      since: -at,
      files: async environment =>
        environment === 'nonprod'
          ? [
              { path: 'a.json', bytes: Buffer.from(JSON.stringify(a?.jwk)) },
              { path: 'README.md', bytes: Buffer.from('x') },
            ]
          : [],
      settings: async () => settings,
    }
  }
}

const GOOD = `baseUrl: https://a.example
environments: { production: { path: p.json }, nonprod: { path: n.json } }
guard: { live: 1, retired: 1 }
`

test('a record is read back to what is old enough, and never without end', async () => {
  expect(await readHistory(records(20), -3)).toHaveLength(4)
  expect(await readHistory(records(900), -1000)).toHaveLength(50)
})

test('a publication has the keys and URLs of its commit; settings that are no settings give no URL', async () => {
  const [good] = await readHistory(records(1, GOOD), 0)
  expect(good?.sets.nonprod.url).toBe('https://a.example/n.json')
  expect(good?.sets.nonprod.keys.map(each => each.thumbprint)).toEqual([a.thumbprint])
  const [bad] = await readHistory(records(1, '['), 0)
  expect(bad?.sets.production.url).toBeNull()
})
