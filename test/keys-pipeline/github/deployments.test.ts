import { expect, test } from 'vitest'
import { publicationHistory } from '../../../keys-pipeline/github/deployments.ts'
import { githubForEach } from '../../support/github-server.ts'
import { codes, refusalOf } from '../../support/keys.ts'

const server = githubForEach()
const at = (minute: number): string => `2026-11-25T12:${`${minute}`.padStart(2, '0')}:00Z`

/** A deployment with these statuses, newest first, as GitHub lists them. */
function deploy(sha: string, ...statuses: [string, number][]): void {
  server().deployments.unshift({
    id: server().deployments.length + 1,
    sha,
    environment: 'github-pages',
    statuses: statuses.map(([state, minute]) => ({ state, created_at: at(minute) })),
  })
}

async function history(most = Infinity) {
  const found: [string, string][] = []
  for await (const { sha, since } of publicationHistory(server().open())) {
    found.push([sha, new Date(since).toISOString().slice(0, 19)])
    if (found.length >= most) break
  }
  return found
}
const file = (text: string) => ({ 'keys-pipeline/publisher.yaml': text })

test('what has succeeded counts from its first success, newest first, and what failed not at all', async () => {
  const [one, two, three] = ['1', '2', '3'].map(text => server().git.commit(file(text)))
  deploy(one ?? '', ['inactive', 9], ['success', 2], ['in_progress', 1])
  deploy(two ?? '', ['failure', 4], ['in_progress', 3])
  deploy(three ?? '', ['success', 8], ['success', 6], ['in_progress', 5])
  deploy(two ?? '', ['in_progress', 9])
  expect(await history()).toEqual([
    [three, '2026-11-25T12:06:00'],
    [one, '2026-11-25T12:02:00'],
  ])
})

test('deployments of other environments are no publication', async () => {
  deploy(server().git.commit(file('a')), ['success', 1])
  const [first] = server().deployments
  if (first) first.environment = 'staging'
  expect(await history()).toEqual([])
})

test('a long history is read page by page, and no further than is asked for', async () => {
  const sha = server().git.commit(file('a'))
  for (let count = 0; count < 70; count++) deploy(sha, ['success', 1])
  expect(await history()).toHaveLength(70)
  const before = server().requests.length
  await history(2)
  expect(server().requests.length - before).toBe(3)
})

test('a publication has the files of its own commit, not of the newest', async () => {
  const old = server().git.commit({
    ...file('old'),
    'keys-pipeline/keys/nonprod/a.json': 'A',
    'keys-pipeline/keys/production/b.json': 'B',
  })
  server().git.commit(file('new'))
  deploy(old, ['success', 1])
  for await (const publication of publicationHistory(server().open())) {
    expect(await publication.settings()).toBe('old')
    const files = await publication.files('nonprod')
    expect(files.map(({ path, bytes }) => [path, `${bytes}`])).toEqual([
      ['keys-pipeline/keys/nonprod/a.json', 'A'],
    ])
  }
})

test('a commit without settings is refused, and one without keys has none', async () => {
  deploy(server().git.commit({ 'README.md': 'x' }), ['success', 1])
  for await (const { settings, files } of publicationHistory(server().open())) {
    expect(codes(await refusalOf(settings()))).toEqual(['github_not_found'])
    expect(await files('production')).toEqual([])
  }
})
