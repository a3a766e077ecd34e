import { describe, expect, test } from 'vitest'
import { type Fault, reportFaults } from '../../../keys-pipeline/github/watch-issue.ts'
import { githubForEach } from '../../support/github-server.ts'
import { codes } from '../../support/keys.ts'

const server = githubForEach()
const HOUR = 60 * 60 * 1000
const fault = (code = 'live_html', place = 'https://a.example/x.json'): Fault => ({
  ...{ code, place, title: `${code}: ${place}`, body: 'a page\n```\n@somebody' },
})
const look = async (...faults: Fault[]) => {
  const { deeds, findings } = await reportFaults(server().open(), faults, { now: server().now })
  return { did: deeds.map(({ did, issue }) => `${did} ${issue}`), codes: codes(findings) }
}

test('a fault is opened once, reminded of once a day, closed when it is gone, and new when it comes back', async () => {
  expect(await look(fault())).toEqual({ did: ['opened 1'], codes: [] })
  server().now += HOUR
  expect((await look(fault())).did).toEqual(['left 1'])
  server().now += 24 * HOUR
  expect((await look(fault())).did).toEqual(['commented 1'])
  server().now += HOUR
  expect((await look(fault())).did).toEqual(['left 1'])
  expect((await look()).did).toEqual(['closed 1'])
  expect((await look()).did).toEqual([])
  expect((await look(fault())).did).toEqual(['opened 2'])
  expect(server().issues.map(each => each.state)).toEqual(['closed', 'open'])
})

test('each fault has an issue of its own, by code and place', async () => {
  const three = [fault(), fault('live_tls'), fault('live_html', 'https://b.example/x.json')]
  expect((await look(...three)).did).toEqual(['opened 1', 'opened 2', 'opened 3'])
  expect((await look(fault('live_tls'))).did.sort()).toEqual(['closed 1', 'closed 3', 'left 2'])
})

describe('a look-up that fails does nothing', () => {
  test.each([
    ['an outage', { status: 500, body: '' }],
    ['a page', { status: 200, body: '<html>' }],
    ['a broken connection', { status: 0 }],
    ['a right that is missing', { status: 403, body: { message: 'no' } }],
  ])('%s', async (_, what) => {
    await look(fault())
    const before = server().writes().length
    server().faults.push(...Array.from({ length: 5 }, () => ({ ...what, at: /issues$/ })))
    const { did, codes: found } = await look(fault('live_tls'))
    expect([did, found.length, server().writes().length - before]).toEqual([[], 1, 0])
    server().faults.splice(0)
    server().violations.splice(0)
  })
})

test('a stranger’s issue with our marker is neither closed nor commented on nor taken for ours', async () => {
  await look(fault())
  const [ours] = server().issues
  if (!ours) throw new Error('an issue')
  server().issues.push({ ...ours, number: 2, user: { login: 'stranger' } })
  server().now += 48 * HOUR
  expect((await look(fault())).did).toEqual(['commented 1'])
  expect((await look()).did).toEqual(['closed 1'])
  expect(server().issues[1]?.state).toBe('open')
})

test('an answer that is lost makes no second issue', async () => {
  server().faults.push({ status: 502, body: '<html>', at: /^POST .*issues$/, isDone: true })
  expect((await look(fault())).codes).toEqual(['github_failed'])
  expect((await look(fault())).did).toEqual(['left 1'])
  expect(server().issues).toHaveLength(1)
})

test('a token that may give no label leaves no issue that nobody would find again', async () => {
  server().mayLabel = false
  expect(await look(fault())).toEqual({ did: [], codes: ['github_refused'] })
  expect(server().issues.map(each => each.state)).toEqual(['closed'])
})
