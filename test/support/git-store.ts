import { createHash } from 'node:crypto'

type Json = Record<string, unknown>

interface Entry {
  path: string
  mode: string
  type: string
  sha: string
  size?: number
}

export interface TreeChange {
  path: string
  mode: string
  type: string
  sha?: string | null
  content?: string
}

export interface Commit {
  tree: string
  parents: string[]
  message: string
  /** Milliseconds since the epoch. */
  at: number
}

/** Files by path; a link or an executable names its mode. */
export type Files = Record<string, string | Buffer | { mode: string; content: string }>

/** As much of git as the API shows. Blobs are named as git names them, the rest by any hash of what they are. */
export class Git {
  readonly blobs = new Map<string, Buffer>()
  readonly trees = new Map<string, Entry[]>()
  readonly commits = new Map<string, Commit>()
  /** `heads/main` */
  readonly refs = new Map<string, string>()

  /** A commit of these files and no others, at the end of a branch. */
  commit(files: Files, { branch = 'main', message = 'a commit', at = 0 } = {}): string {
    const parent = this.refs.get(`heads/${branch}`)
    const sha = this.commitTree(this.#write(files), parent ? [parent] : [], { message, at })
    this.refs.set(`heads/${branch}`, sha)
    return sha
  }

  commitTree(tree: string, parents: string[], told: { message: string; at: number }): string {
    const sha = this.#name(['commit', tree, parents, told])
    this.commits.set(sha, { tree, parents, ...told })
    return sha
  }

  /** What is on a branch comes onto main, as the button for it does. */
  merge(branch: string, at = 0): string {
    const headOf = (name: string): string => this.refs.get(`heads/${name}`) ?? ''
    const [ours, theirs] = [headOf('main'), headOf(branch)]
    const [now, changed] = [this.#flat(ours), this.#flat(theirs)]
    const fork = this.#flat(this.#fork(ours, theirs))
    for (const [path, file] of changed) if (fork.get(path)?.sha !== file.sha) now.set(path, file)
    for (const path of fork.keys()) if (!changed.has(path)) now.delete(path)
    const told = { message: `Merge ${branch}`, at }
    const sha = this.commitTree(this.#nest(now), [ours, theirs], told)
    this.refs.set('heads/main', sha)
    return sha
  }

  #fork(base: string, head: string): string {
    const before = this.history(base)
    return this.history(head).find(sha => before.includes(sha)) ?? base
  }

  /** All files at the end of a branch. */
  files(branch: string): Record<string, string> {
    const tree = this.treeOf(this.refs.get(`heads/${branch}`) ?? '') ?? []
    const blobs = this.walk(tree).filter(({ type }) => type === 'blob')
    return Object.fromEntries(blobs.map(({ path, sha }) => [path, `${this.blobs.get(sha)}`]))
  }

  treeOf(sha: string): Entry[] | undefined {
    return this.trees.get(this.commits.get(sha)?.tree ?? sha)
  }

  walk(tree: Entry[], prefix = ''): Entry[] {
    return tree.flatMap(entry => {
      const path = `${prefix}${entry.path}`
      const below = entry.type === 'tree' ? (this.trees.get(entry.sha) ?? []) : []
      return [{ ...entry, path }, ...this.walk(below, `${path}/`)]
    })
  }

  /** A tree with some files changed; null where one is to go that is not there. */
  changed(base: string, changes: TreeChange[]): string | null {
    const files = this.#flat(base)
    for (const { path, sha, content, mode } of changes) {
      if (sha === null && !files.delete(path)) return null
      if (content !== undefined) files.set(path, { mode, sha: this.blob(Buffer.from(content)) })
    }
    return this.#nest(files)
  }

  /** The commit and all before it, nearest first. */
  history(sha: string): string[] {
    const found = [sha]
    for (const each of found) {
      for (const parent of this.commits.get(each)?.parents ?? [])
        if (!found.includes(parent)) found.push(parent)
    }
    return found
  }

  compare(base: string, head: string): Json {
    const [before, after] = [this.history(base), this.history(head)]
    const ahead = after.filter(sha => !before.includes(sha)).reverse()
    const behind = before.filter(sha => !after.includes(sha))
    const status = ahead.length > 0 ? (behind.length > 0 ? 'diverged' : 'ahead') : 'behind'
    return {
      status,
      ahead_by: ahead.length,
      behind_by: behind.length,
      total_commits: ahead.length,
      commits: ahead.map(sha => this.#shown(sha)),
      files: this.#difference(this.#fork(base, head), head),
    }
  }

  #shown(sha: string): Json {
    const { parents = [], message = '', at = 0 } = this.commits.get(sha) ?? {}
    const committer = { date: new Date(at).toISOString() }
    return { sha, parents: parents.map(each => ({ sha: each })), commit: { message, committer } }
  }

  /** As GitHub shows it: a file that goes while one with the same bytes comes was renamed. */
  #difference(fork: string, head: string): Json[] {
    const [old, now] = [this.#flat(fork), this.#flat(head)]
    const gone = [...old].filter(([path]) => !now.has(path))
    const come = [...now].filter(([path, { sha }]) => old.get(path)?.sha !== sha)
    const renamed = new Set<string>()
    const changes = come.map(([filename, { sha }]) => {
      const [previous_filename] =
        gone.find(([path, each]) => each.sha === sha && !renamed.has(path)) ?? []
      if (previous_filename === undefined)
        return { filename, sha, status: old.has(filename) ? 'modified' : 'added' }
      renamed.add(previous_filename)
      return { filename, previous_filename, sha, status: 'renamed' }
    })
    const removed = gone
      .filter(([path]) => !renamed.has(path))
      .map(([filename, { sha }]) => ({ filename, sha, status: 'removed' }))
    return [...changes, ...removed]
  }

  blob(bytes: Buffer): string {
    const sha = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')
    this.blobs.set(sha, bytes)
    return sha
  }

  #write(files: Files): string {
    return this.#nest(
      new Map(
        Object.entries(files).map(([path, file]) => {
          const isPlain = typeof file === 'string' || Buffer.isBuffer(file)
          const { mode, content } = isPlain ? { mode: '100644', content: file } : file
          return [path, { mode, sha: this.blob(Buffer.from(content)) }]
        }),
      ),
    )
  }

  #flat(treeish: string): Map<string, { mode: string; sha: string }> {
    const blobs = this.walk(this.treeOf(treeish) ?? []).filter(({ type }) => type === 'blob')
    return new Map(blobs.map(({ path, mode, sha }) => [path, { mode, sha }]))
  }

  #nest(files: ReadonlyMap<string, { mode: string; sha: string }>): string {
    const names = Map.groupBy(files, ([path]) => path.split('/')[0] ?? '')
    const entries = [...names].map(([path, inside]): Entry => {
      const [, file] = inside.find(([name]) => name === path) ?? []
      if (file) return { path, type: 'blob', ...file, size: this.blobs.get(file.sha)?.length ?? 0 }
      const below = inside.map(([name, each]) => [name.slice(path.length + 1), each] as const)
      return { path, type: 'tree', mode: '040000', sha: this.#nest(new Map(below)) }
    })
    const sha = this.#name(['tree', entries])
    this.trees.set(sha, entries)
    return sha
  }

  #name = (what: unknown): string => createHash('sha1').update(JSON.stringify(what)).digest('hex')
}
