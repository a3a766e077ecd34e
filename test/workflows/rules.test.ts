import { beforeAll, describe, expect, test } from 'vitest'
import { REQUIRED_CHECK } from '../../keys-pipeline/github/repository-rules.ts'
import { project, workflow, workflows } from './project.ts'
import type { Project, Rule } from './rule.ts'
import { RULES, type RuleName } from './rules.ts'
import { readWorkflow } from './workflow.ts'

let ours: Project
beforeAll(async () => {
  ours = await project()
})

const rules = Object.entries(RULES) as [RuleName, Rule][]
const every = workflows()

test('there are workflows to judge', () => {
  expect(every.map(({ file }) => file)).toEqual(
    expect.arrayContaining(['ci.yml', 'publish-keys.yml', 'watch-keys.yml']),
  )
})

describe.each(every)('$file', each => {
  test.each(rules.map(([name, rule]) => [rule.says, name] as const))('%s', (_, name) => {
    expect(RULES[name].complaints(each, ours)).toEqual([])
  })
})

test('no two jobs have one name, or requiring a check would not say which', () => {
  const names = every.flatMap(({ jobs }) => Object.entries(jobs).map(([id, { name = id }]) => name))
  expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([])
  expect(names).toContain(REQUIRED_CHECK)
})

test('one action has one version', () => {
  const pins = new Set(every.flatMap(({ pins }) => pins.map(({ uses }) => uses)))
  expect(new Set([...pins].map(uses => uses.split('@')[0])).size).toBe(pins.size)
})

/** GitHub's `${{ }}` around something. */
const expression = (inside: string): string => `$\{{ ${inside} }}`

/** What was done to a file of ours: the text that is there, and what it becomes. */
type Sabotage = [what: string, file: string, there: string | RegExp, becomes: string]

const PUBLISH = 'publish-keys.yml'
const WATCH = 'watch-keys.yml'
const CI = 'ci.yml'
const CHECK = 'run: npm run check'
const ATTEMPT = expression('github.run_attempt')
const TOKEN = expression('github.token')

const SABOTAGES: Record<RuleName, Sabotage[]> = {
  pinned: [
    ['a tag', CI, /@3d3c\S+ # v7/, '@v7 # v7'],
    ['a short hash', CI, /@3d3c42e\S+/, '@3d3c42e'],
    ['no version beside it', CI, / # v7\.0\.1/, ''],
    ['a version that moves', CI, / # v7\.0\.1/, ' # v7'],
    ['an alias', CI, /name: ci([\s\S]*?)uses: \S+ # \S+/, 'name: &a actions/checkout@v7$1uses: *a'],
    ['a branch', PUBLISH, /deploy-pages@\S+/, 'deploy-pages@main'],
    ['an image', CI, '  check:\n', '  check:\n    container: debian:13\n'],
    ['an action that is an image', CI, CHECK, 'uses: docker://alpine:3 # v3.0.0'],
    ['an action out of the checkout', CI, CHECK, 'uses: ./.github/actions/x'],
  ],
  permissions: [
    ['none at the top', CI, 'permissions: {}\n', ''],
    ['something at the top', CI, 'permissions: {}', 'permissions:\n  contents: read'],
    ['a job without', CI, /(check:\n.*\n.*\n) {4}permissions:\n.*\n/, '$1'],
    ['everything', CI, /permissions:\n {6}contents: read/, 'permissions: read-all'],
  ],
  rights: [
    ['a watch that cannot see deployments', WATCH, '      deployments: read\n', ''],
    ['a watch that can open no issue', WATCH, 'issues: write', 'issues: read'],
    ['a watch that cannot see Pages', WATCH, '      pages: read\n', ''],
    ['a policy that cannot see deployments', PUBLISH, '      deployments: read\n', ''],
    [
      'more than is asked for',
      PUBLISH,
      /( {2}build:\n[\s\S]*?contents: read)/,
      '$1\n      actions: read',
    ],
  ],
  writers: [
    ['a watch that pushes', WATCH, 'contents: read', 'contents: write'],
    ['a watch that deploys nothing but might', WATCH, 'deployments: read', 'deployments: write'],
    ['a verification that writes', PUBLISH, /(needs: deploy\n[\s\S]*?contents): read/, '$1: write'],
  ],
  foreign: [
    ['a deployment from a pull request', PUBLISH, "github.event_name == 'push' && needs", 'needs'],
    ['a condition that is no longer needed', PUBLISH, "'push' && needs.", "'push' || needs."],
    [
      'the head of somebody’s branch',
      CI,
      'persist-credentials: false',
      `persist-credentials: false\n          ref: ${expression('github.head_ref')}`,
    ],
    [
      'another repository',
      CI,
      'persist-credentials: false',
      'persist-credentials: false\n          repository: someone/else',
    ],
  ],
  publisher: [
    ['no judge', PUBLISH, '    needs: judge-keys\n', ''],
    ['no environment', PUBLISH, 'name: github-pages\n', 'name: production\n'],
    [
      'our packages beside the right',
      PUBLISH,
      '- id: deployment',
      '- run: npm ci --ignore-scripts\n      - id: deployment',
    ],
  ],
  credentials: [
    ['kept', CI, 'persist-credentials: false', 'persist-credentials: true'],
    ['left to the default', CI, 'persist-credentials: false', 'fetch-depth: 1'],
    ['a word', CI, 'persist-credentials: false', "persist-credentials: 'no'"],
  ],
  hidden: [
    ['dropped', PUBLISH, 'include-hidden-files: true', 'include-hidden-files: false'],
    ['left to the default', PUBLISH, /\n.*include-hidden-files: true/, ''],
    ['misspelt', PUBLISH, 'include-hidden-files', 'include-hidden-file'],
  ],
  artifact: [
    [
      'another name deployed',
      PUBLISH,
      `artifact_name: github-pages-${ATTEMPT}`,
      'artifact_name: github-pages',
    ],
    ['another name uploaded', PUBLISH, ` name: github-pages-${ATTEMPT}`, ` name: pages-${ATTEMPT}`],
    [
      'the name of every attempt',
      PUBLISH,
      /github-pages-\$\{\{ github.run_attempt \}\}/g,
      'github-pages',
    ],
  ],
  events: [
    ['our rights for a fork', CI, '  pull_request:', '  pull_request_target:'],
    ['after another workflow', CI, 'on:', 'on:\n  workflow_run:\n    workflows: [x]'],
    ['anybody’s comment', CI, 'on:', 'on:\n  issue_comment:'],
  ],
  schedule: [
    ['with a push', WATCH, '  workflow_dispatch:', '  push:'],
    ['at the full hour', WATCH, '23,53 *', '0 *'],
    ['at the full hour too', WATCH, '23,53 *', '30,0 *'],
    ['in steps from the full hour', WATCH, /cron: .*/, "cron: '*/30 * * * *'"],
  ],
  secrets: [
    [
      'a personal token',
      CI,
      CHECK,
      `${CHECK}\n        env:\n          T: ${expression('secrets.PAT')}`,
    ],
    ['by index', CI, CHECK, `${CHECK}\n        env:\n          T: ${expression("secrets['PAT']")}`],
    ['all of them', CI, '  check:\n', '  check:\n    secrets: inherit\n'],
  ],
  token: [
    ['for the packages', PUBLISH, /(npm ci .*)/, `$1\n        env:\n          T: ${TOKEN}`],
    ['for a job', CI, '  check:\n', `  check:\n    env:\n      T: ${TOKEN}\n`],
    ['for all', CI, 'jobs:', `env:\n  T: ${expression('secrets.GITHUB_TOKEN')}\njobs:`],
  ],
  concurrency: [
    ['none', CI, /concurrency:\n.*\n.*\n/, ''],
    ['a pull request in the lock of publishing', PUBLISH, /group: .*/, 'group: pages'],
    [
      'a publication that is cut off',
      PUBLISH,
      /cancel-in-progress: .*/,
      'cancel-in-progress: true',
    ],
    ['old pull requests go on', PUBLISH, /cancel-in-progress: .*/, 'cancel-in-progress: false'],
    ['a lock for each branch', PUBLISH, "'pages' ||", "format('pages-{0}', github.ref) ||"],
    ['all pull requests in one', CI, /group: ci-.*/, 'group: ci'],
    ['the watch in the lock of publishing', WATCH, 'group: watch-keys', 'group: pages'],
    ['a watch that is cut off', WATCH, 'cancel-in-progress: false', 'cancel-in-progress: true'],
  ],
  script: [
    ['two commands', CI, CHECK, `${CHECK} && npm test`],
    ['two lines', CI, CHECK, 'run: |\n          npm test\n          npm run check'],
    ['a pipe', CI, CHECK, `${CHECK} | tee log`],
    ['a script that is not there', CI, CHECK, 'run: npm run lint'],
    ['a command that is not there', PUBLISH, 'keys -- build', 'keys -- publish'],
    ['a command of a group without its name', PUBLISH, 'keys -- build', 'keys -- github'],
    ['no command', PUBLISH, 'keys -- build', 'keys'],
    ['another program', CI, CHECK, 'run: node keys-pipeline/cli.ts check'],
    ['packages that run scripts', CI, 'npm ci --ignore-scripts', 'npm ci'],
    ['packages off the lockfile', CI, 'npm ci --ignore-scripts', 'npm install'],
    ['npx', CI, CHECK, 'run: npx zizmor .'],
  ],
  expression: [
    [
      'a branch’s name',
      PUBLISH,
      'keys -- build',
      `keys -- build --out ${expression('github.head_ref')}`,
    ],
    [
      'a title',
      PUBLISH,
      'keys -- build',
      `keys -- build ${expression('github.event.pull_request.title')}`,
    ],
  ],
  bounds: [
    ['a machine that changes', CI, 'ubuntu-24.04', 'ubuntu-latest'],
    ['a machine of somebody', CI, 'ubuntu-24.04', '[self-hosted]'],
    ['no end', CI, /\n {4}timeout-minutes: 10/, ''],
    ['six hours', CI, 'timeout-minutes: 10', 'timeout-minutes: 360'],
  ],
  node: [
    ['another Node', CI, 'node-version: 24', 'node-version: 22'],
    ['a cache if package.json says so', CI, /\n.*package-manager-cache: false/, ''],
    ['a cache', CI, 'node-version: 24', 'node-version: 24\n          cache: npm'],
  ],
  failure: [
    [
      'a judge who is ignored',
      PUBLISH,
      '- id: policy',
      '- id: policy\n        continue-on-error: true',
    ],
    ['a job that is ignored', CI, '  check:\n', '  check:\n    continue-on-error: true\n'],
    ['a deployment in any case', PUBLISH, 'if: needs.build', 'if: always() && needs.build'],
    ['a build after a cancellation', PUBLISH, "begun == 'true'", "begun == 'true' && !cancelled()"],
  ],
  required: [
    ['a filter by path', PUBLISH, '  pull_request:\n', "  pull_request:\n    paths: ['site/**']\n"],
    ['a filter of pushes', PUBLISH, '  push:\n', "  push:\n    paths-ignore: ['*.md']\n"],
    ['a filter by branch', PUBLISH, '  pull_request:\n', '  pull_request:\n    branches: [main]\n'],
    ['a condition', PUBLISH, '  judge-keys:\n', "  judge-keys:\n    if: github.actor != 'bot'\n"],
    ['another name', PUBLISH, '  judge-keys:\n', '  judge-keys:\n    name: Judge\n'],
  ],
}

const sabotages = (Object.entries(SABOTAGES) as [RuleName, Sabotage[]][]).flatMap(([name, all]) =>
  all.map(sabotage => [name, sabotage[0], sabotage] as const),
)

describe('a rule complains, and it alone', () => {
  test.each(sabotages)('%s: %s', (name, _, [, file, there, becomes]) => {
    const before = workflow(file)
    const after = readWorkflow(file, before.text.replace(there, becomes))
    expect(after.text).not.toBe(before.text)
    const complaining = rules
      .filter(([, { complaints }]) => {
        const known = complaints(before, ours)
        return complaints(after, ours).some(each => !known.includes(each))
      })
      .map(([rule]) => rule)
    expect(complaining).toEqual([name])
  })
})
