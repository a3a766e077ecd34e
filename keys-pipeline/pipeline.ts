import { basename, dirname, join } from 'node:path'
import { type Finding, finding, PipelineError, refuseAny } from './errors.ts'
import { openKeyFile } from './forms.ts'
import { type PublicKey, type Registered, toPublicKey } from './jwk.ts'
import { ENVIRONMENTS, type Environment, judgeAcross, judgeKeySet } from './key-set.ts'
import {
  judgeReturns,
  LIFECYCLE_FILE,
  type Lifecycle,
  parseLifecycle,
  readLifecycle,
} from './lifecycle.ts'
import {
  readBeside,
  readEnvironmentFolder,
  readPaths,
  type SourceFile,
  type Sources,
  sortEnvironmentFiles,
} from './read.ts'
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
  refuseAny(judgement.findings)
  const site = render(judgement.environments, from.settings, from.templates, from.commit)
  replaceFolder(from.out, site, from.show)
  return site
}

/**
 * Both environments' folders, judged as they would be published. An environment that was never begun (no key file,
 * nothing in its lifecycle file) is left out, so that nonprod can go first; one that lost its keys is `set_empty`.
 */
export function judgeKeys(folder: string, show: Show): Judgement {
  const read = {
    production: readEnvironment(join(folder, 'production'), show),
    nonprod: readEnvironment(join(folder, 'nonprod'), show),
  }
  const beside = readBeside(folder, ENVIRONMENTS, show)
  const secrets = openAll(beside).flatMap(file =>
    file.findings.filter(each => each.code.startsWith('private_')),
  )
  return together(read, show(folder), [...beside.findings, ...secrets])
}

/** The same of files that are in a commit, or would be: each environment's, with their paths below `folder`. */
export function judgeFiles(
  folder: string,
  files: Record<Environment, readonly { path: string; bytes: Buffer }[]>,
): Judgement {
  const judged = (environment: Environment): ReadEnvironment => {
    const place = `${folder}/${environment}`
    const path = `${place}/${LIFECYCLE_FILE}`
    const record = files[environment].find(each => each.path === path)
    return judgeEnvironment(place, sortEnvironmentFiles(files[environment]), () =>
      record ? parseLifecycle(record.bytes.toString('utf8'), path) : {},
    )
  }
  return together({ production: judged('production'), nonprod: judged('nonprod') }, folder, [])
}

function together(
  read: Record<Environment, ReadEnvironment>,
  place: string,
  others: readonly Finding[],
): Judgement {
  const all = [read.production, read.nonprod]
  const findings = [
    ...all.flatMap(each => each.findings),
    ...judgeAcross(read.production.keys, read.nonprod.keys),
    ...others,
  ]
  if (!all.some(each => each.begun)) {
    findings.push(finding('set_empty', place, 'there is no key in either environment'))
  }
  return {
    environments: read,
    findings,
    files: all.reduce((sum, each) => sum + each.files, 0),
    keys: all.reduce((sum, each) => sum + each.keys.length, 0),
  }
}

interface ReadEnvironment extends EnvironmentKeys {
  findings: Finding[]
  files: number
  begun: boolean
}

const readEnvironment = (place: string, show: Show): ReadEnvironment =>
  judgeEnvironment(show(place), readEnvironmentFolder(place, show), () =>
    readLifecycle(place, show),
  )

function judgeEnvironment(
  place: string,
  sources: Sources,
  readRecord: () => Lifecycle,
): ReadEnvironment {
  const opened = openAll(sources)
  const keys = opened.flatMap(file => file.keys)
  const findings = [
    ...sources.findings,
    ...opened.flatMap(file => file.findings),
    ...judgeKeySet(keys, place),
  ]
  const lifecycle = lifecycleOf(readRecord, findings)
  findings.push(...judgeReturns(keys, lifecycle))
  const begun = sources.files.length + findings.length + Object.keys(lifecycle).length > 0
  if (begun && keys.length + findings.length === 0) {
    findings.push(finding('set_empty', place, 'the key set has no key left'))
  }
  return { keys, lifecycle, findings, files: sources.files.length, begun }
}

function lifecycleOf(readRecord: () => Lifecycle, findings: Finding[]): Lifecycle {
  try {
    return readRecord()
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error
    findings.push(...error.findings)
    return {}
  }
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
