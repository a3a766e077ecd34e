import { REQUIRED_CHECK } from '../../keys-pipeline/github/repository-rules.ts'
import { jobsWhere, type Rule, stepsWhere } from './rule.ts'
import { filled, github, type Run } from './simulate.ts'
import { type Job, permissionsOf, stepsUsing, type Workflow, withNeeds } from './workflow.ts'

/** Who may change anything at all, and what. */
const WRITERS: Record<string, string[]> = {
  'publish-keys.yml deploy': ['pages', 'id-token'],
  'watch-keys.yml watch': ['issues'],
}

const isPublisher = (job: Job): boolean =>
  permissionsOf(job).some(
    ([name, level]) => ['pages', 'id-token'].includes(name) && level === 'write',
  )

/** The job or one that it waits for says so as a plain condition, in a workflow that pull requests start. */
function isOnlyForPushes(workflow: Workflow, id: string): boolean {
  const conditions = withNeeds(workflow, id).map(each => workflow.jobs[each]?.if ?? '')
  return conditions.some(
    condition =>
      !condition.includes('||') &&
      condition.split('&&').some(part => part.trim() === "github.event_name == 'push'"),
  )
}

/** How runs of one event wait for each other. */
function lockFor(workflow: Workflow, event: Run['event']) {
  const { group = '', 'cancel-in-progress': cancels = false } = workflow.concurrency ?? {}
  const contexts = { github: github({ event }) }
  return { group: filled(group, contexts), cancels: filled(cancels, contexts) === 'true' }
}

function concurrencyComplaints(workflow: Workflow): string[] {
  const publishes = Object.values(workflow.jobs).some(isPublisher)
  return (Object.keys(workflow.on) as Run['event'][]).flatMap(event => {
    const { group, cancels } = lockFor(workflow, event)
    if (group === '') return [`${event} waits for nothing`]
    if (event === 'pull_request')
      return group.includes('refs/pull/7/') && cancels ? [] : [`${event} shares ${group}`]
    if (publishes) return group === 'pages' && !cancels ? [] : [`${event} publishes in ${group}`]
    if (group === 'pages') return [`${event} stands in the way of publishing`]
    return event === 'schedule' && cancels ? [`${event} is cut off`] : []
  })
}

function artifactComplaints(workflow: Workflow): string[] {
  const uploads = stepsUsing(workflow, 'actions/upload-pages-artifact')
  const deployments = stepsUsing(workflow, 'actions/deploy-pages')
  const uploaded = uploads.map(({ step }) => String(step.with?.['name']))
  const deployed = deployments.map(({ step }) => String(step.with?.['artifact_name']))
  return [
    ...uploaded.filter(name => !/\$\{\{ github\.run_attempt \}\}/.test(name)),
    ...deployed.filter(name => !uploaded.includes(name)),
    ...uploaded.filter(name => !deployed.includes(name)),
  ]
}

function requiredComplaints(workflow: Workflow): string[] {
  const job = workflow.jobs[REQUIRED_CHECK]
  if (!job) return []
  const { pull_request: filter, push } = workflow.on
  const filters = [filter, push].flatMap(each => Object.keys((each as object | null) ?? {}))
  return [
    ...['if', 'needs', 'name', 'strategy'].filter(key => key in job),
    ...filters.filter(key => /^paths/.test(key)),
    ...('pull_request' in workflow.on && filter === null ? [] : ['not for every pull request']),
  ]
}

/** What keeps a publication whole, in order, and in the hands of who may publish. */
export const PUBLISHING = {
  writers: {
    says: 'only the jobs that deploy and watch may write, and no more than they must',
    complaints: workflow =>
      Object.entries(workflow.jobs).flatMap(([id, job]) =>
        permissionsOf(job)
          .filter(([, level]) => level !== 'read')
          .filter(([name]) => !WRITERS[`${workflow.file} ${id}`]?.includes(name))
          .map(([name]) => `${id}: ${name}`),
      ),
  },
  foreign: {
    says: 'a job that may write never runs for a pull request, nor runs another commit than the event’s',
    complaints: workflow => [
      ...jobsWhere(
        workflow,
        (job, id) =>
          permissionsOf(job).some(([, level]) => level !== 'read') &&
          'pull_request' in workflow.on &&
          !isOnlyForPushes(workflow, id),
      ),
      ...stepsWhere(
        workflow,
        step => 'ref' in (step.with ?? {}) || 'repository' in (step.with ?? {}),
        stepsUsing(workflow, 'actions/checkout'),
      ),
    ],
  },
  publisher: {
    says: 'the job that may publish waits for the judge, belongs to the environment, and has the deployment as its only step',
    complaints: workflow =>
      jobsWhere(workflow, (job, id) => {
        const [step, ...more] = job.steps ?? []
        const { name } = Object(job.environment)
        return (
          isPublisher(job) &&
          (!withNeeds(workflow, id).includes(REQUIRED_CHECK) ||
            name !== 'github-pages' ||
            more.length > 0 ||
            !step?.uses?.startsWith('actions/deploy-pages@'))
        )
      }),
  },
  hidden: {
    says: 'the artifact has the hidden files, without which there is no .well-known',
    complaints: workflow =>
      stepsWhere(
        workflow,
        step => step.with?.['include-hidden-files'] !== true,
        stepsUsing(workflow, 'actions/upload-pages-artifact'),
      ),
  },
  artifact: {
    says: 'what is deployed is what was uploaded, in the same attempt',
    complaints: artifactComplaints,
  },
  concurrency: {
    says: 'one publication at a time, never cut off, and no pull request or watch in its way',
    complaints: concurrencyComplaints,
  },
  required: {
    says: 'the required check reports on every pull request: it is never skipped, filtered out or called something else',
    complaints: requiredComplaints,
  },
} satisfies Record<string, Rule>
