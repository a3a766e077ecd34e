import { jobsWhere, type Project, type Rule, stepsWhere } from './rule.ts'
import { type Job, permissionsOf, type Step, stepsUsing } from './workflow.ts'

/** What may start a run. A pull request is tested with a token that only reads, and nobody's comment starts anything. */
const EVENTS = ['pull_request', 'push', 'schedule', 'workflow_dispatch']

const asksGitHub = (step: Step): boolean =>
  /^npm run -s keys -- (policy|github \w+)$/.test(step.run ?? '')

/** What each command asks GitHub for, beyond the checkout. `newest` reads a branch, which is part of the contents. */
const NEEDS: Record<string, Record<string, string>> = {
  policy: { deployments: 'read' },
  'github newest': {},
  'github watch': { deployments: 'read', issues: 'write', pages: 'read' },
}

/** What a job with commands of ours may not do that it must, or may read for nothing; what may write is a rule of its own. */
function rightsComplaints(job: Job): string[] {
  const asked = (job.steps ?? []).flatMap(({ run = '' }) => {
    const [, command] = /^npm run -s keys -- (policy|github \w+)$/.exec(run) ?? []
    return command === undefined ? [] : [command]
  })
  if (asked.length === 0) return []
  const needed: Record<string, string> = Object.assign(
    { contents: 'read' },
    ...asked.map(each => NEEDS[each]),
  )
  const given = Object.fromEntries(permissionsOf(job))
  return [
    ...asked.filter(each => !(each in NEEDS)),
    ...Object.keys(needed).filter(name => given[name] !== 'write' && given[name] !== needed[name]),
    ...Object.keys(given).filter(name => given[name] === 'read' && !(name in needed)),
  ]
}

const hasToken = (values: Record<string, unknown> = {}): boolean =>
  Object.values(values).some(value => /github\.token|secrets\.GITHUB_TOKEN/i.test(String(value)))

/** What one `run` has that is not one npm script of ours. */
function notOneScript(run: string, { scripts, commands }: Project): boolean {
  const text = run.replace(/\$\{\{.*?\}\}/g, 'x')
  if (/[\n;|&<>`$()]/.test(text)) return true
  const [program, verb, ...words] = text.split(' ')
  if (program !== 'npm') return true
  if (verb === 'ci') return words[0] !== '--ignore-scripts'
  if (verb === 'test') return words.length > 0 || !scripts.includes('test')
  if (verb !== 'run') return true
  const [script = '', dashes, ...rest] = words.filter(word => word !== '-s')
  if (!scripts.includes(script)) return true
  if (script !== 'keys') return dashes !== undefined
  return (
    dashes !== '--' || !commands.some(command => `${rest.join(' ')} `.startsWith(`${command} `))
  )
}

function goesOn(each: Job | Step): boolean {
  return 'continue-on-error' in each || /\b(always|failure|cancelled)\s*\(/i.test(each.if ?? '')
}

/** What every workflow owes, whatever it is for. */
export const HYGIENE = {
  pinned: {
    says: 'every action is pinned by the hash of a commit, with its version beside it, and no other image is used',
    complaints: workflow => [
      ...workflow.pins
        .filter(
          ({ uses, comment }) =>
            !/^[\w.-]+(\/[\w.-]+)+@[0-9a-f]{40}$/.test(uses) || !/^v\d+\.\d+\.\d+$/.test(comment),
        )
        .map(({ uses, comment }) => `${uses} # ${comment}`),
      ...jobsWhere(workflow, job => 'container' in job || 'services' in job),
    ],
  },
  permissions: {
    says: 'nothing is permitted at the top, and each job names what it needs',
    complaints: workflow => [
      ...(JSON.stringify(workflow.permissions) === '{}' ? [] : ['top']),
      ...jobsWhere(workflow, job => permissionsOf(job).length === 0),
    ],
  },
  rights: {
    says: 'a job that asks GitHub may do what its commands need, and read nothing else',
    complaints: workflow =>
      Object.entries(workflow.jobs).flatMap(([id, job]) =>
        rightsComplaints(job).map(name => `${id}: ${name}`),
      ),
  },
  credentials: {
    says: 'a checkout leaves no credentials behind',
    complaints: workflow =>
      stepsWhere(
        workflow,
        step => step.with?.['persist-credentials'] !== false,
        stepsUsing(workflow, 'actions/checkout'),
      ),
  },
  events: {
    says: 'nothing is started by an event that lends a stranger our rights',
    complaints: workflow => Object.keys(workflow.on).filter(event => !EVENTS.includes(event)),
  },
  schedule: {
    says: 'a schedule stands in a file of its own, and not at the full hour',
    complaints: workflow => {
      if (!('schedule' in workflow.on)) return []
      const crons = (workflow.on['schedule'] as { cron: string }[]).map(({ cron }) => cron)
      return [
        ...Object.keys(workflow.on).filter(
          event => !['schedule', 'workflow_dispatch'].includes(event),
        ),
        ...crons.filter(cron => !/^[1-9]\d?(,[1-9]\d?)* /.test(cron)),
      ]
    },
  },
  secrets: {
    says: 'no secret is used but the run’s own token',
    complaints: workflow => [
      ...(workflow.text.match(/\bsecrets(\.(?!GITHUB_TOKEN\b)\w+|\s*\[.*?\]|:.*)/g) ?? []),
    ],
  },
  token: {
    says: 'only the step that asks GitHub gets the token',
    complaints: workflow => [
      ...(hasToken(workflow.env) ? ['top'] : []),
      ...jobsWhere(workflow, job => hasToken(job.env)),
      ...stepsWhere(workflow, step => hasToken(step.env) && !asksGitHub(step)),
      ...stepsWhere(workflow, step => hasToken(step.with)),
    ],
  },
  script: {
    says: 'each run is one npm script that exists, so that tests can run the very same',
    complaints: (workflow, project) =>
      stepsWhere(workflow, step =>
        step.run === undefined ? step.uses === undefined : notOneScript(step.run, project),
      ),
  },
  expression: {
    says: 'no expression is pasted into a command: values come by the environment',
    complaints: workflow => stepsWhere(workflow, step => /\$\{\{/.test(step.run ?? '')),
  },
  bounds: {
    says: 'each job names its machine and ends within the hour',
    complaints: workflow =>
      jobsWhere(workflow, job => {
        const minutes = job['timeout-minutes']
        return job['runs-on'] !== 'ubuntu-24.04' || typeof minutes !== 'number' || minutes > 60
      }),
  },
  node: {
    says: 'Node is 24, and no cache that another run could fill is read',
    complaints: workflow =>
      stepsWhere(
        workflow,
        ({ with: given = {} }) =>
          given['node-version'] !== 24 ||
          given['package-manager-cache'] !== false ||
          'cache' in given,
        stepsUsing(workflow, 'actions/setup-node'),
      ),
  },
  failure: {
    says: 'a failure stops what depends on it',
    complaints: workflow => [
      ...jobsWhere(workflow, job => goesOn(job)),
      ...stepsWhere(workflow, goesOn),
    ],
  },
} satisfies Record<string, Rule>
