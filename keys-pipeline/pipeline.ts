import { basename, dirname, join } from 'node:path'
import { type Finding, finding, PipelineError } from './errors.ts'
import { openKeyFile } from './forms.ts'
import { type PublicKey, type Registered, toPublicKey } from './jwk.ts'
import { ENVIRONMENTS, type Environment, judgeAcross, judgeKeySet } from './key-set.ts'
import { type Lifecycle, readLifecycle } from './lifecycle.ts'
import { readEnvironmentFolder, readPaths, type SourceFile, type Sources } from './read.ts'
import { render, type Site, type Templates } from './render.ts'
import type { Settings } from './settings.ts'
import { replaceFolder } from './write.ts'

/** How a path is shown to people and in findings. */
export type Show = (path: string) => string

export interface EnvironmentKeys {
  keys: PublicKey[]
  lifecycle: Lifecycle
}

export interface Judgement {
  environments: Record<Environment, EnvironmentKeys>
  findings: Finding[]
  files: number
  keys: number
}

/** Commit → site, whole or not at all. Refused: every finding at once, as a PipelineError; `out_not_ours`. */
export function build(from: {
  keys: string
  out: string
  settings: Settings
  templates: Templates
  commit: string | null
  show: Show
}): Site {
  const judgement = judgeKeys(from.keys, from.show)
  const [first, ...others] = judgement.findings
  if (first) throw new PipelineError(first, ...others)
  const site = render(judgement.environments, from.settings, from.templates, from.commit)
  replaceFolder(from.out, site, from.show)
  return site
}

/**
 * Both environments' folders, judged as they would be published. An environment that was never begun (no key file,
 * nothing in its lifecycle file) is left out, so that nonprod can go first; one that lost its keys is `set_empty`.
 */
export function judgeKeys(folder: string, show: Show): Judgement {
  const findings: Finding[] = []
  let files = 0
  let begun = 0
  const read = (environment: Environment): EnvironmentKeys => {
    const place = join(folder, environment)
    const sources = readEnvironmentFolder(place, show)
    const opened = openAll(sources)
    const lifecycle = readLifecycle(place, show)
    const keys = opened.flatMap(file => file.keys)
    const faults = [...sources.findings, ...opened.flatMap(file => file.findings)]
    const started = sources.files.length + faults.length + Object.keys(lifecycle).length > 0
    if (started) begun++
    if (started && keys.length + faults.length === 0) {
      faults.push(finding('set_empty', show(place), `the ${environment} key set has no key left`))
    }
    files += sources.files.length
    findings.push(...faults, ...judgeKeySet(keys, show(place)))
    return { keys, lifecycle }
  }
  const environments = { production: read('production'), nonprod: read('nonprod') }
  const { production, nonprod } = environments
  findings.push(...judgeAcross(production.keys, nonprod.keys))
  if (begun === 0)
    findings.push(finding('set_empty', show(folder), 'there is no key in either environment'))
  return { environments, findings, files, keys: production.keys.length + nonprod.keys.length }
}

/**
 * Any files and folders, for whoever wants to lint key sets that Lockstep did not make. A JWKS file is a set; the
 * single-key files of one folder are a set; sibling folders `production` and `nonprod` may share no key.
 */
export function judgePaths(paths: readonly string[], show: Show): Omit<Judgement, 'environments'> {
  const sources = readPaths(paths, show)
  const opened = openAll(sources)
  const findings = [...sources.findings, ...opened.flatMap(file => file.findings)]
  for (const file of opened.filter(each => each.form === 'set')) {
    if (file.keys.length + file.findings.length === 0) {
      findings.push(finding('set_empty', file.source.file, 'the key set has no keys'))
    }
    findings.push(...judgeKeySet(file.keys, file.source.file))
  }
  const singles = opened.filter(each => each.form === 'key')
  for (const [folder, group] of Map.groupBy(singles, each => each.source.folder)) {
    findings.push(
      ...judgeKeySet(
        group.flatMap(each => each.keys),
        show(folder),
      ),
    )
  }
  for (const group of Map.groupBy(opened, each => dirname(each.source.folder)).values()) {
    const [production, nonprod] = ENVIRONMENTS.map(environment =>
      group.filter(each => basename(each.source.folder) === environment).flatMap(each => each.keys),
    )
    findings.push(...judgeAcross(production ?? [], nonprod ?? []))
  }
  return {
    findings,
    files: sources.files.length,
    keys: opened.reduce((sum, each) => sum + each.keys.length, 0),
  }
}

export interface OpenedFile {
  source: SourceFile
  form: 'key' | 'set'
  keys: PublicKey[]
  findings: Finding[]
}

/** One file → the keys in it, and what is wrong with the others. */
export function openSource(source: SourceFile, registered: Registered = {}): OpenedFile {
  const opened = openKeyFile(source.file, source.bytes)
  const judged = opened.candidates.map(each => toPublicKey(each, source.file, registered))
  return {
    source,
    form: opened.form,
    keys: judged.flatMap(each => each.key ?? []),
    findings: [...opened.findings, ...judged.flatMap(each => each.findings)],
  }
}

const openAll = (sources: Sources): OpenedFile[] => sources.files.map(source => openSource(source))
