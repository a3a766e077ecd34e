import { data, Evaluator, Lexer, Parser } from '@actions/expressions'
import { needsOf, type Step, type Workflow } from './workflow.ts'

type Contexts = Record<string, unknown>

const HASH_FILES = { name: 'hashFiles', minArgs: 1, maxArgs: 255 }

/** What an expression comes to, by GitHub's own evaluator. `always()` and its like are unknown to it: no workflow of ours may use them. */
function evaluate(expression: string, contexts: Contexts): data.ExpressionData {
  const { hashed = '', ...named } = contexts
  const dictionary = JSON.parse(JSON.stringify(named), data.reviver)
  const parsed = new Parser(new Lexer(expression).lex().tokens, Object.keys(named), [
    HASH_FILES,
  ]).parse()
  const hashFiles = { ...HASH_FILES, call: () => new data.StringData(String(hashed)) }
  return new Evaluator(parsed, dictionary, new Map([['hashfiles', hashFiles]])).evaluate()
}

/** A text with its `${{ }}` filled in. */
export const filled = (text: unknown, contexts: Contexts): string =>
  String(text).replace(/\$\{\{(.*?)\}\}/g, (_, expression: string) =>
    evaluate(expression, contexts).coerceString(),
  )

function holds(condition: string | undefined, contexts: Contexts): boolean {
  if (condition === undefined) return true
  const expression = condition.replace(/^\s*\$\{\{(.*)\}\}\s*$/s, '$1')
  const value = evaluate(expression, contexts).coerceString()
  return !['', 'false', '0'].includes(value)
}

/** What starts a run, and what the commands in it will say. */
export interface Run {
  event: 'pull_request' | 'push' | 'schedule' | 'workflow_dispatch'
  attempt?: number
  /** The outputs that a command writes, by its words after `keys --`. */
  says?: Record<string, Record<string, string>>
  /** The commands that fail. */
  fails?: string[]
  /** Whether the keys folder is as it is shipped. */
  empty?: boolean
}

/** A step that was reached, with what its action was given. */
export interface Ran {
  job: string
  step: string
  with: Record<string, string>
}

export const github = ({ event, attempt = 1 }: Run) => ({
  event_name: event,
  ref: event === 'pull_request' ? 'refs/pull/7/merge' : 'refs/heads/main',
  run_attempt: attempt,
  token: 'TOKEN',
})

/** What a step is called in a table: the command, or the action without owner and version. */
const nameOf = ({ run, uses }: Step): string =>
  (run ?? uses ?? '').replace(/^npm run -s keys -- /, '').replace(/^.*\/(.*)@.*$/, '$1')

/** The steps that GitHub would run, in order, job by job. A job is written after those it waits for. */
export function simulate(workflow: Workflow, run: Run): Ran[] {
  const ran: Ran[] = []
  const needs: Record<string, { outputs: Record<string, string> }> = {}
  for (const [id, job] of Object.entries(workflow.jobs)) {
    const contexts = { github: github(run), needs }
    if (!needsOf(job).every(each => each in needs) || !holds(job.if, contexts)) continue
    const { passed, steps, reached } = runSteps(id, job.steps ?? [], run)
    ran.push(...reached)
    if (!passed) continue
    const outputs = Object.entries(job.outputs ?? {}).map(([name, text]) => [
      name,
      filled(text, { ...contexts, steps }),
    ])
    needs[id] = { outputs: Object.fromEntries(outputs) }
  }
  return ran
}

function runSteps(job: string, all: Step[], run: Run) {
  const steps: Record<string, { outputs: Record<string, string> }> = {}
  const reached: Ran[] = []
  for (const step of all) {
    const contexts = { github: github(run), steps, hashed: run.empty ? '' : 'a1b2' }
    if (!holds(step.if, contexts)) continue
    const name = nameOf(step)
    const given = Object.entries(step.with ?? {}).map(([key, value]) => [
      key,
      filled(value, contexts),
    ])
    reached.push({ job, step: name, with: Object.fromEntries(given) })
    if (run.fails?.includes(name)) return { passed: false, steps, reached }
    if (step.id !== undefined) steps[step.id] = { outputs: run.says?.[name] ?? {} }
  }
  return { passed: true, steps, reached }
}
