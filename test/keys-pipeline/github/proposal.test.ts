import { beforeEach, describe, expect, test } from 'vitest'
import { KEYS_FOLDER, type KeyChange } from '../../../keys-pipeline/github/key-changes.ts'
import { planProposal, proposeKeys } from '../../../keys-pipeline/github/proposal.ts'
import type { Lifecycle } from '../../../keys-pipeline/lifecycle.ts'
import { type Files, githubForEach } from '../../support/github-server.ts'
import { codes, ecJwk, ecPair, privateJwk, published, refusalOf, spki } from '../../support/keys.ts'

const server = githubForEach()
const TIME = '2026-11-25T00:00:00Z'
const key = (which: number) => published({ ...ecJwk('P-256', which), kid: `kid-${which}` })
const nameOf = (which: number): string => `${key(which).thumbprint}.jwk.json`
const textOf = (which: number): string => `${JSON.stringify(key(which).jwk)}\n`
const entry = (which: number, more: object = {}): Lifecycle => ({
  [key(which).thumbprint]: { kid: `kid-${which}`, created: TIME, role: 'signer', ...more },
})
const gone = { retired: { at: TIME, reason: 'yearly rotation', unreleased: true } }
const NONPROD = `${KEYS_FOLDER}/nonprod`
const RECORD = `${NONPROD}/lifecycle.json`

const adding = (which: number, more: Partial<KeyChange> = {}): KeyChange => ({
  environment: 'nonprod',
  files: [{ name: nameOf(which), bytes: Buffer.from(textOf(which)) }],
  lifecycle: entry(which),
  ...more,
})
const retiring = (which: number): KeyChange => ({
  ...{ environment: 'nonprod', files: [], lifecycle: entry(which, gone) },
})

/** What main has at first: two keys, and things that no proposal may touch. */
const MAIN: Files = {
  'README.md': 'mine',
  '.github/workflows/publish-keys.yml': 'name: publish-keys',
  [`${NONPROD}/${nameOf(0)}`]: textOf(0),
  [`${NONPROD}/${nameOf(1)}`]: textOf(1),
  [RECORD]: JSON.stringify({ keys: { ...entry(0), ...entry(1) } }),
  [`${KEYS_FOLDER}/production/.gitkeep`]: '',
}
beforeEach(() => {
  server().git.commit(MAIN)
})

const propose = async (...changes: KeyChange[]) => {
  const done = await proposeKeys(server().open(), changes)
  if (done.did === 'unneeded') throw new Error('nothing was proposed')
  return done
}
const refused = async (...changes: KeyChange[]) =>
  codes(await refusalOf(proposeKeys(server().open(), changes)))
const recordOn = (branch: string): Record<string, object> =>
  JSON.parse(server().git.files(branch)[RECORD] ?? '{}').keys
const changedOn = (branch: string): string[] => {
  const [before, after] = [server().git.files('main'), server().git.files(branch)]
  const paths = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  return paths.filter(path => before[path] !== after[path]).sort()
}

describe('a pull request', () => {
  test('adds a key file and its entry, in one commit, and nothing else', async () => {
    const { did, number, url, plan } = await propose(adding(2))
    expect({ did, number }).toEqual({ did: 'opened', number: 1 })
    expect(url).toBe('https://github.com/acme-health/keys/pull/1')
    expect(changedOn(plan.branch)).toEqual([`${NONPROD}/${nameOf(2)}`, RECORD].sort())
    expect(server().git.files(plan.branch)[`${NONPROD}/${nameOf(2)}`]).toBe(textOf(2))
    expect(recordOn(plan.branch)).toEqual({ ...entry(0), ...entry(1), ...entry(2) })
    expect(server().pulls).toMatchObject([
      { head: plan.branch, base: 'main', title: 'Add key kid-2 to nonprod' },
    ])
    expect(server().git.history(server().git.refs.get(`heads/${plan.branch}`) ?? '')).toHaveLength(
      2,
    )
  })

  test('takes a key away and records why', async () => {
    const { plan } = await propose(retiring(0))
    expect(changedOn(plan.branch)).toEqual([`${NONPROD}/${nameOf(0)}`, RECORD].sort())
    expect(server().git.files(plan.branch)).not.toHaveProperty(`${NONPROD}/${nameOf(0)}`)
    expect(recordOn(plan.branch)).toEqual({ ...entry(0, gone), ...entry(1) })
    expect(server().pulls[0]?.title).toBe('Retire key kid-0 from nonprod')
    expect(server().pulls[0]?.body).toContain('yearly rotation')
  })

  test('a file is proposed byte by byte, in whatever form', async () => {
    const der = ecPair('P-256', 2).publicKey.export({ type: 'spki', format: 'der' })
    const { plan } = await propose(
      adding(2, { files: [{ name: 'key.der', bytes: der }], lifecycle: {} }),
    )
    const sha = server().git.blob(der)
    const tree = server().git.treeOf(server().git.refs.get(`heads/${plan.branch}`) ?? '') ?? []
    expect(server().git.walk(tree)).toContainEqual(
      expect.objectContaining({ path: `${NONPROD}/key.der`, sha }),
    )
  })

  test('what the default branch has already is not proposed', async () => {
    const client = server().open()
    expect(await proposeKeys(client, [adding(0), adding(1)])).toEqual({ did: 'unneeded' })
    expect(await planProposal(client, [adding(0)])).toBeNull()
    expect(server().writes()).toEqual([])
  })

  test('keys that nobody speaks of stay, with what is known of them', async () => {
    const { plan } = await propose(adding(2, { lifecycle: { ...entry(0, { role: 'standby' }) } }))
    expect(recordOn(plan.branch)).toEqual({ ...entry(0), ...entry(1) })
  })

  test('a kid that is more than a word is in no title and no message of a commit', async () => {
    const kid = 'x; fixes #1 @acme/all'
    const jwk = published({ ...ecJwk('P-256', 2), kid }).jwk
    const { plan } = await propose(
      adding(2, {
        files: [{ name: nameOf(2), bytes: Buffer.from(JSON.stringify(jwk)) }],
        lifecycle: entry(2, { kid }),
      }),
    )
    const sha = server().git.refs.get(`heads/${plan.branch}`) ?? ''
    const said = `${server().pulls[0]?.title} ${server().git.commits.get(sha)?.message}`
    expect(said).not.toMatch(/[#@]/)
    expect(said).toContain(key(2).thumbprint)
  })

  test('text of a kid or a reason is not read as Markdown', async () => {
    const reason = '@everybody <img src=x> ``` [a](https://evil.example)'
    await propose({ ...retiring(0), lifecycle: entry(0, { retired: { ...gone.retired, reason } }) })
    expect(server().pulls[0]?.body).toMatch(/^````text\n[\s\S]*@everybody[\s\S]*\n````\n/)
  })

  test('a plan sends nothing', async () => {
    const plan = await planProposal(server().open(), [adding(2)])
    expect(plan?.title).toBe('Add key kid-2 to nonprod')
    expect(server().writes()).toEqual([])
  })
})

describe('twice is once', () => {
  test('a repeat finds what is there and writes nothing', async () => {
    const first = await propose(adding(2))
    const before = server().writes().length
    const second = await propose(adding(2))
    expect(second).toMatchObject({ did: 'unchanged', number: first.number, url: first.url })
    expect(server().writes()).toHaveLength(before)
  })

  test('two at once make one pull request', async () => {
    const both = await Promise.all([propose(adding(2)), propose(adding(2))])
    expect(both.map(({ number }) => number)).toEqual([1, 1])
    expect(server().pulls).toHaveLength(1)
  })

  test('other keys are another proposal', async () => {
    const [one, two] = [await propose(adding(2)), await propose(adding(3))]
    expect([one.number, two.number]).toEqual([1, 2])
    expect(changedOn(two.plan.branch)).not.toContain(`${NONPROD}/${nameOf(2)}`)
  })

  test('a default branch that moved elsewhere changes nothing', async () => {
    await propose(adding(2))
    server().git.commit({ ...MAIN, 'README.md': 'newer' })
    expect((await propose(adding(2))).did).toBe('unchanged')
  })

  test('a default branch that got another key is taken in, by a commit that is not forced', async () => {
    const { plan } = await propose(adding(2))
    const before = server().git.refs.get(`heads/${plan.branch}`) ?? ''
    const record = JSON.stringify({ keys: { ...entry(0), ...entry(1), ...entry(3) } })
    server().git.commit({ ...MAIN, [`${NONPROD}/${nameOf(3)}`]: textOf(3), [RECORD]: record })
    expect(await propose(adding(2))).toMatchObject({ did: 'updated', number: 1 })
    expect(changedOn(plan.branch)).toEqual([`${NONPROD}/${nameOf(2)}`, RECORD].sort())
    expect(Object.keys(recordOn(plan.branch))).toHaveLength(4)
    expect(server().git.history(server().git.refs.get(`heads/${plan.branch}`) ?? '')).toContain(
      before,
    )
    expect((await propose(adding(2))).did).toBe('unchanged')
  })

  test('a branch that a merged proposal left over goes on from where it is', async () => {
    const { plan } = await propose(adding(2))
    const [pull] = server().pulls
    Object.assign(pull ?? {}, { state: 'closed', merged_at: TIME })
    server().git.commit({ ...MAIN, 'README.md': 'merged, and taken back' })
    const again = await propose(adding(2))
    expect(again).toMatchObject({ did: 'opened', number: 2, plan: { branch: plan.branch } })
  })
})

const ref = /^(POST|PATCH) .*\/git\/refs/

describe('somebody was quicker', () => {
  const url = 'https://docs.github.com/rest'
  const taken = {
    status: 422,
    body: { message: 'Reference already exists', documentation_url: url },
  }

  test.each([
    ['the answer to the new branch is lost', { ...taken, at: ref, isDone: true }],
    ['the branch could not be made', { ...taken, at: ref }],
    ['the branch conflicts', { status: 409, body: { message: 'Conflict' }, at: ref }],
    [
      'the answer to the new branch is lost on the way',
      { status: 502, body: '<html>', at: ref, isDone: true },
    ],
    [
      'the answer to the pull request is lost on the way',
      { status: 502, body: '<html>', at: /^POST .*\/pulls$/, isDone: true },
    ],
    ['the pull request is there', { ...taken, at: /^POST .*\/pulls$/, isDone: true }],
  ])('%s: it is looked at again, and there is one pull request', async (_, fault) => {
    server().faults.push(fault)
    const { number, plan } = await propose(adding(2))
    expect([number, server().pulls.length]).toEqual([1, 1])
    expect(changedOn(plan.branch)).toEqual([`${NONPROD}/${nameOf(2)}`, RECORD].sort())
  })

  test('whoever is always later gives up, and a repeat goes on', async () => {
    server().faults.push(...Array.from({ length: 3 }, () => ({ ...taken, at: ref })))
    expect(await refused(adding(2))).toEqual(['github_rejected'])
    expect((await propose(adding(2))).did).toBe('opened')
  })
})

/** A proposal writes two blobs, a tree, a commit, a branch and a pull request. */
test.each([0, 1, 2, 3, 4, 5, 6])(
  'killed after %i writes, a repeat goes on to the same pull request',
  async most => {
    let writes = 0
    const killed: typeof fetch = (url, init) => {
      const isWrite = init?.method !== 'GET'
      if (writes >= most && isWrite) return Promise.reject(new Error('killed'))
      if (isWrite) writes++
      return fetch(url, init)
    }
    const findings = await refusalOf(proposeKeys(server().open({ fetch: killed }), [adding(2)]))
    expect(codes(findings)).toEqual(most < 6 ? ['github_unreachable'] : [])
    const { plan, number, did } = await propose(adding(2))
    expect([number, did]).toEqual([1, most < 6 ? 'opened' : 'unchanged'])
    expect([server().pulls.length, server().git.refs.size]).toEqual([1, 2])
    expect(changedOn(plan.branch)).toEqual([`${NONPROD}/${nameOf(2)}`, RECORD].sort())
    expect(server().git.history(server().git.refs.get(`heads/${plan.branch}`) ?? '')).toHaveLength(
      2,
    )
  },
)

describe('is refused', () => {
  const no = { status: 403, body: { message: 'Resource not accessible by integration' } }
  test.each([
    ['branch', /\/git\/refs$/, 'Contents: write'],
    ['pull request', /^POST .*\/pulls$/, 'Pull requests: write'],
  ])('a token that may make no %s, once; another token goes on', async (_, at, needed) => {
    server().faults.push({ ...no, at })
    const findings = await refusalOf(proposeKeys(server().open(), [adding(2)]))
    expect(findings).toMatchObject([
      { code: 'github_refused', message: expect.stringContaining(needed) },
    ])
    expect(server().requests.filter(({ line }) => at.test(line))).toHaveLength(1)
    expect((await propose(adding(2))).did).toBe('opened')
  })

  const pem = ecPair('P-256', 2).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const file = (name: string, content: string | object) =>
    adding(2, {
      files: [
        {
          name,
          bytes: Buffer.from(typeof content === 'string' ? content : JSON.stringify(content)),
        },
      ],
    })
  test.each<[string, () => KeyChange, string]>([
    ['a private JWK', () => file('a.json', privateJwk()), 'private_member'],
    ['a private PEM', () => file('a.pem', pem), 'private_pem'],
    [
      'a private half behind a public one',
      () => file('a.pem', spki(ecPair('P-256', 2).publicKey) + pem),
      'private_pem',
    ],
    ['a key that is there under another name', () => file('b.json', key(0).jwk), 'key_twice'],
    [
      'a kid that another key has',
      () => file('b.json', { ...ecJwk('P-256', 2), kid: 'kid-0' }),
      'kid_duplicate',
    ],
    ['other bytes under a name that is there', () => file(nameOf(0), textOf(2)), 'file_exists'],
    ['a way out of the folder', () => file('../../../.github/x.json', textOf(2)), 'file_unknown'],
    [
      'a way to the other environment',
      () => file('../production/x.json', textOf(2)),
      'file_unknown',
    ],
    ['an absolute path', () => file('/etc/x.json', textOf(2)), 'file_unknown'],
    ['a name with a line break', () => file('a\n.json', textOf(2)), 'file_unknown'],
    ['a record as a key file', () => file('lifecycle.json', '{}'), 'file_unknown'],
    ['a file that holds no key', () => file('key.sh', textOf(2)), 'file_unknown'],
    [
      'a private key in the reason of a retirement',
      () => ({
        ...retiring(0),
        lifecycle: entry(0, { retired: { ...gone.retired, reason: pem } }),
      }),
      'private_member',
    ],
    [
      'a key that was retired with it',
      () => adding(2, { lifecycle: entry(2, gone) }),
      'retired_key_returns',
    ],
  ])('%s, before anything is sent', async (_, change, code) => {
    expect(await refused(change())).toContain(code)
    expect(server().writes()).toEqual([])
    expect(JSON.stringify(server().requests)).not.toContain('PRIVATE')
  })

  test.each([
    ['a rule against such branches', ref],
    ['a rule against the pull request', /^POST .*\/pulls$/],
  ])('%s, with what GitHub says', async (_, at) => {
    const message = 'Repository rule violations found'
    const body = { message, documentation_url: 'https://docs.github.com/rest' }
    server().faults.push(...Array.from({ length: 3 }, () => ({ status: 422, body, at })))
    expect(await refusalOf(proposeKeys(server().open(), [adding(2)]))).toMatchObject([
      { code: 'github_rejected', message: expect.stringContaining(message) },
    ])
  })

  test('a limit that lasts, in a finding, after which a repeat goes on', async () => {
    const limit = {
      ...{ status: 403, body: { message: 'You have exceeded a secondary rate limit.' } },
      headers: { 'retry-after': '3600' },
    }
    server().faults.push({ ...limit, at: ref })
    expect(await refused(adding(2))).toEqual(['github_failed'])
    expect((await propose(adding(2))).did).toBe('opened')
  })

  test('the last key of an environment', async () => {
    expect(await refused(retiring(0), retiring(1))).toEqual(['set_empty'])
    expect(server().writes()).toEqual([])
  })

  test('one key in both environments', async () => {
    expect(await refused({ ...adding(0), environment: 'production' })).toEqual([
      'key_in_both_environments',
    ])
  })

  test('a branch that holds somebody else’s commits', async () => {
    const { plan } = await propose(adding(2))
    server().git.commit({ ...MAIN, 'README.md': 'theirs' }, { branch: plan.branch })
    const before = server().writes().length
    expect(await refused(adding(2))).toEqual(['branch_taken'])
    expect(server().writes()).toHaveLength(before)
  })
})

describe('a pull request that somebody closed', () => {
  test('is not made again, whether its branch is there or not', async () => {
    const { plan } = await propose(adding(2))
    Object.assign(server().pulls[0] ?? {}, { state: 'closed' })
    const before = server().writes().length
    expect(await propose(adding(2))).toMatchObject({ did: 'declined', number: 1 })
    server().git.refs.delete(`heads/${plan.branch}`)
    expect(await propose(adding(2))).toMatchObject({ did: 'declined', number: 1 })
    expect(server().writes()).toHaveLength(before)
  })

  test('is ours again when it is reopened', async () => {
    await propose(adding(2))
    Object.assign(server().pulls[0] ?? {}, { state: 'closed' })
    Object.assign(server().pulls[0] ?? {}, { state: 'open' })
    expect((await propose(adding(2))).did).toBe('unchanged')
  })

  test('of a fork says nothing of ours', async () => {
    const plan = await planProposal(server().open(), [adding(2)])
    server().pulls.push({
      ...{ number: 1, state: 'closed', merged_at: null, base: 'main', title: '', body: '' },
      ...{ head: plan?.branch ?? '', from: 'stranger' },
    })
    expect(await propose(adding(2))).toMatchObject({ did: 'opened', number: 2 })
  })
})
