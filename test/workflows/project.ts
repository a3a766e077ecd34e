import { execFileSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { KEYS_CLI, PROJECT, run } from '../support/processes.ts'
import type { Project } from './rule.ts'
import { readWorkflow, type Workflow } from './workflow.ts'

const FOLDER = join(PROJECT, '.github', 'workflows')

/** Every workflow there is, so that a new one is judged too. */
export const workflows = (): Workflow[] =>
  globSync('*.{yml,yaml}', { cwd: FOLDER })
    .sort()
    .map(file => readWorkflow(file, readFileSync(join(FOLDER, file), 'utf8')))

/** One workflow by its file's name. */
export function workflow(file: string): Workflow {
  const found = workflows().find(each => each.file === file)
  if (!found) throw new Error(`no workflow ${file}`)
  return found
}

/** Files that are committed or about to be. */
export const files = (): string[] =>
  execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: PROJECT,
    encoding: 'utf8',
  })
    .trimEnd()
    .split('\n')

async function commandsOf(group: string[]): Promise<string[]> {
  const { stdout } = await run(KEYS_CLI, [...group, '--help'])
  return [...stdout.matchAll(/^ {2}([a-z][a-z-]+)\b/gm)].map(match =>
    [...group, match[1]].join(' '),
  )
}

/** The scripts and commands that a workflow may name. */
export async function project(): Promise<Project> {
  const { scripts } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8'))
  const commands = await commandsOf([])
  const groups = commands.includes('github') ? ['github'] : []
  const inGroups = await Promise.all(groups.map(group => commandsOf([group])))
  return {
    scripts: Object.keys(scripts),
    commands: [...commands.filter(name => !groups.includes(name)), ...inGroups.flat()],
  }
}
