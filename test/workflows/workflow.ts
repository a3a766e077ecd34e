import { isMap, isPair, isScalar, parseDocument, visit } from 'yaml'

/** What a step says, as far as the rules look at it. */
export interface Step {
  id?: string
  if?: string
  uses?: string
  run?: string
  with?: Record<string, unknown>
  env?: Record<string, unknown>
  'continue-on-error'?: unknown
}

export interface Job {
  name?: string
  if?: string
  needs?: string | string[]
  uses?: string
  'runs-on'?: unknown
  'timeout-minutes'?: unknown
  permissions?: unknown
  environment?: unknown
  env?: Record<string, unknown>
  outputs?: Record<string, string>
  container?: unknown
  services?: unknown
  steps?: Step[]
  'continue-on-error'?: unknown
}

/** An action, as `uses` names it, and the comment beside it. */
export interface Pin {
  uses: string
  comment: string
}

export interface Workflow {
  /** The file's name, without its folder. */
  file: string
  text: string
  /** The events, whether they were written as a word, a list or a map. */
  on: Record<string, unknown>
  permissions: unknown
  concurrency: Record<string, unknown> | undefined
  env: Record<string, unknown>
  jobs: Record<string, Job>
  pins: Pin[]
}

/** @throws whatever `yaml` says of a text that is no YAML */
export function readWorkflow(file: string, text: string): Workflow {
  const document = parseDocument(text)
  const [error] = document.errors
  if (error) throw error
  const { on, permissions, concurrency, env, jobs } = document.toJS()
  return {
    ...{ file, text, permissions, jobs },
    on: eventsOf(on),
    concurrency: typeof concurrency === 'string' ? { group: concurrency } : concurrency,
    env: env ?? {},
    pins: pinsOf(document),
  }
}

function eventsOf(on: unknown): Record<string, unknown> {
  if (typeof on === 'string') return { [on]: null }
  if (Array.isArray(on)) return Object.fromEntries(on.map(event => [event, null]))
  return on as Record<string, unknown>
}

function pinsOf(document: ReturnType<typeof parseDocument>): Pin[] {
  const pins: Pin[] = []
  visit(document, (_, node, path) => {
    if (!isPair(node) || !isScalar(node.key) || node.key.value !== 'uses') return
    if (!isMap(path.at(-1))) return
    const { value } = node
    // An alias stays as it is written: what it stands for is not to be read where it is used.
    if (isScalar(value)) pins.push({ uses: `${value.value}`, comment: value.comment?.trim() ?? '' })
    else pins.push({ uses: `${value}`, comment: '' })
  })
  return pins
}

export interface PlacedStep {
  job: string
  step: Step
}

export const stepsOf = (workflow: Workflow): PlacedStep[] =>
  Object.entries(workflow.jobs).flatMap(([job, { steps = [] }]) =>
    steps.map(step => ({ job, step })),
  )

/** The steps that use one action, whatever its version. */
export const stepsUsing = (workflow: Workflow, action: string): PlacedStep[] =>
  stepsOf(workflow).filter(({ step }) => step.uses?.startsWith(`${action}@`))

export const needsOf = ({ needs = [] }: Job): string[] =>
  typeof needs === 'string' ? [needs] : needs

/** A job and every job that must have passed before it. */
export function withNeeds(workflow: Workflow, id: string): string[] {
  const job = workflow.jobs[id]
  return job ? [id, ...needsOf(job).flatMap(each => withNeeds(workflow, each))] : []
}

/** The permissions that a job writes out; none if it says something else than a map. */
export const permissionsOf = ({ permissions }: Job): [string, unknown][] =>
  typeof permissions === 'object' && permissions !== null ? Object.entries(permissions) : []
