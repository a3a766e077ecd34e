import { type Job, type Step, stepsOf, type Workflow } from './workflow.ts'

/** What of the project the rules compare with. */
export interface Project {
  /** The scripts of package.json. */
  scripts: string[]
  /** The commands of `keys`, with their groups: `check`, `github newest`. */
  commands: string[]
}

/** One rule: its sentence, and what it has against a workflow. Pure, so that each can be shown to be able to fail. */
export interface Rule {
  says: string
  complaints: (workflow: Workflow, project: Project) => string[]
}

/** The jobs of which it is true. */
export const jobsWhere = (workflow: Workflow, wrong: (job: Job, id: string) => boolean): string[] =>
  Object.entries(workflow.jobs)
    .filter(([id, job]) => wrong(job, id))
    .map(([id]) => id)

/** The steps of which it is true, as a reader would find them. */
export const stepsWhere = (
  workflow: Workflow,
  wrong: (step: Step) => boolean,
  steps = stepsOf(workflow),
): string[] =>
  steps
    .filter(({ step }) => wrong(step))
    .map(({ job, step }) => `${job}: ${step.run ?? step.uses ?? 'neither run nor uses'}`)
