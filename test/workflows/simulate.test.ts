import { describe, expect, test } from 'vitest'
import { project, workflow } from './project.ts'
import { type Ran, type Run, simulate } from './simulate.ts'
import { readWorkflow } from './workflow.ts'

const publish = workflow('publish-keys.yml')

/** What each job did, its preparations apart. */
function jobsOf(ran: Ran[]): Record<string, string[]> {
  const preparations = /^(checkout|setup-node|npm ci .*)$/
  const told = Map.groupBy(
    ran.filter(({ step }) => !preparations.test(step)),
    ({ job }) => job,
  )
  return Object.fromEntries([...told].map(([job, steps]) => [job, steps.map(({ step }) => step)]))
}

const says = (begun: boolean, newest: boolean): NonNullable<Run['says']> => ({
  policy: { begun: `${begun}` },
  'github newest': { newest: `${newest}` },
})
const judged = ['check', 'policy']
const built = ['build', 'github newest', 'upload-pages-artifact']

describe('publish-keys', () => {
  test.each<[string, Run, Record<string, string[]>]>([
    [
      'a pull request is judged, whatever the commands say',
      { event: 'pull_request', says: says(true, true) },
      { 'judge-keys': judged },
    ],
    [
      'a push before the first key ends after the notice',
      { event: 'push', says: says(false, true), empty: true },
      { 'judge-keys': ['policy'] },
    ],
    [
      'a push of the first key is published and proven',
      { event: 'push', says: says(true, true) },
      {
        'judge-keys': judged,
        build: built,
        deploy: ['deploy-pages'],
        verify: ['build', 'verify'],
      },
    ],
    [
      'a push that main has left behind uploads nothing and deploys nothing',
      { event: 'push', says: says(true, false) },
      { 'judge-keys': judged, build: built.slice(0, 2) },
    ],
    [
      'a command that says nothing lets nothing through',
      { event: 'push' },
      { 'judge-keys': judged },
    ],
    [
      'bad files are not even compared with the live set',
      { event: 'push', says: says(true, true), fails: ['check'] },
      { 'judge-keys': ['check'] },
    ],
    [
      'what policy refuses is not built',
      { event: 'push', says: says(true, true), fails: ['policy'] },
      { 'judge-keys': judged },
    ],
    [
      'what does not build is not deployed',
      { event: 'push', says: says(true, true), fails: ['build'] },
      { 'judge-keys': judged, build: ['build'] },
    ],
    [
      'an unanswered question does not count as a yes',
      { event: 'push', says: says(true, true), fails: ['github newest'] },
      { 'judge-keys': judged, build: ['build', 'github newest'] },
    ],
    [
      'what was not deployed is not verified',
      { event: 'push', says: says(true, true), fails: ['deploy-pages'] },
      { 'judge-keys': judged, build: built, deploy: ['deploy-pages'] },
    ],
  ])('%s', (_, run, expected) => {
    expect(jobsOf(simulate(publish, run))).toEqual(expected)
  })

  test('each attempt has an artifact of its own, with the site in it', () => {
    const artifacts = [1, 2].map(attempt => {
      const ran = simulate(publish, { event: 'push', attempt, says: says(true, true) })
      const [upload, deploy] = ['upload-pages-artifact', 'deploy-pages'].map(name =>
        ran.find(({ step }) => step === name),
      )
      expect(upload?.with['path']).toBe('site/out')
      expect(upload?.with['name']).toBe(deploy?.with['artifact_name'])
      return upload?.with['name']
    })
    expect(artifacts).toEqual(['github-pages-1', 'github-pages-2'])
  })

  test('the bytes that are proven live are built as they were for the deployment', () => {
    const ran = simulate(publish, { event: 'push', says: says(true, true) })
    const made = (job: string) =>
      ran
        .filter(each => each.job === job)
        .map(({ step }) => step)
        .filter(step => /^(npm ci|build)/.test(step))
    expect(made('verify')).toEqual(made('build'))
  })
})

test.each<[string, Run['event'], Record<string, string[]>]>([
  ['ci.yml', 'pull_request', { test: ['npm test'], check: ['npm run check'] }],
  ['ci.yml', 'push', { test: ['npm test'], check: ['npm run check'] }],
  ['watch-keys.yml', 'schedule', { watch: ['github watch'] }],
  ['watch-keys.yml', 'workflow_dispatch', { watch: ['github watch'] }],
])('%s runs on %s', (file, event, expected) => {
  const each = workflow(file)
  expect(Object.keys(each.on)).toContain(event)
  expect(jobsOf(simulate(each, { event }))).toEqual(expected)
})

test('the commands that say what happens next are known to the command line', async () => {
  const { commands } = await project()
  expect(commands).toEqual(expect.arrayContaining(Object.keys(says(true, true))))
})

test('the simulation knows no function that looks past a failure', () => {
  const text = publish.text.replace('if: needs.build', 'if: always() && needs.build')
  expect(() =>
    simulate(readWorkflow('x.yml', text), { event: 'push', says: says(true, true) }),
  ).toThrow()
})
