import Type, { type Static } from 'typebox'
import { finding, PipelineError } from '../errors.ts'
import { MOST_BYTES } from '../read.ts'
import type { GitHub } from './client.ts'
import { replyReader } from './reply.ts'

/** Files below one folder. The key sets hold 100 keys at most, each in a file of its own. */
const MOST_FILES = 300

const Tree = Type.Object({
  truncated: Type.Boolean(),
  tree: Type.Array(
    Type.Object({
      path: Type.String({ minLength: 1 }),
      mode: Type.String(),
      type: Type.String(),
      sha: Type.String({ minLength: 1 }),
      size: Type.Optional(Type.Integer({ minimum: 0 })),
    }),
  ),
})
const readTree = replyReader('tree', Tree)
const readBlob = replyReader(
  'blob',
  Type.Object({ content: Type.String(), encoding: Type.Literal('base64') }),
)

type Entry = Static<typeof Tree>['tree'][number]

export interface CommittedFile {
  path: string
  /** The file as git knows it: the same for the same bytes. */
  sha: string
  read: () => Promise<Buffer>
}

/**
 * Files as they are in a commit, or in a tree. Nothing is read twice: an object of git never changes.
 *
 * @see GitHub REST, "Git database"
 */
export interface GitObjects {
  /** Null where the commit has no such file. Refused: `github_*`. */
  file: (tree: string, path: string) => Promise<CommittedFile | null>
  /**
   * The files below a folder, with their paths in the repository; none where there is no such folder. Refused:
   * `github_*`; `github_failed` also for links, files over 1 MiB and folders of more than 300 files.
   */
  filesBelow: (tree: string, folder: string) => Promise<CommittedFile[]>
}

export function gitObjects(github: GitHub): GitObjects {
  const { octokit, owner, repo } = github
  const tree = remembered(async (key: string) => {
    const [sha = '', depth] = key.split(' ')
    const recursive = depth === 'all' && { recursive: '1' }
    const { data } = await octokit.rest.git.getTree({ owner, repo, tree_sha: sha, ...recursive })
    const { tree: entries, truncated } = readTree(github, data)
    if (truncated) throw tooMuch(github, `the tree ${sha} is cut short`)
    return entries
  })
  const blob = remembered(async (file_sha: string) => {
    const { data } = await octokit.rest.git.getBlob({ owner, repo, file_sha })
    return Buffer.from(readBlob(github, data).content, 'base64')
  })
  const entryAt = async (root: string, path: string): Promise<Entry | null> => {
    let found: Entry | null = null
    for (const name of path.split('/')) {
      if (found !== null && found.type !== 'tree') return null
      const entries: Entry[] = await tree(found?.sha ?? root)
      found = entries.find(entry => entry.path === name) ?? null
      if (found === null) return null
    }
    return found
  }
  const fileOf = (entry: Entry, path: string): CommittedFile => {
    if (!/^100(644|755)$/.test(entry.mode)) throw tooMuch(github, `${path} is no plain file`)
    if ((entry.size ?? 0) > MOST_BYTES) throw tooMuch(github, `${path} is over ${MOST_BYTES} bytes`)
    return { path, sha: entry.sha, read: () => blob(entry.sha) }
  }
  return {
    file: async (root, path) => {
      const entry = await entryAt(root, path)
      return entry === null ? null : fileOf(entry, path)
    },
    filesBelow: async (root, folder) => {
      const found = await entryAt(root, folder)
      if (found === null) return []
      if (found.type !== 'tree') throw tooMuch(github, `${folder} is no folder`)
      const entries = (await tree(`${found.sha} all`)).filter(({ type }) => type !== 'tree')
      if (entries.length > MOST_FILES)
        throw tooMuch(github, `${folder} has over ${MOST_FILES} files`)
      return entries.map(entry => fileOf(entry, `${folder}/${entry.path}`))
    },
  }
}

const tooMuch = ({ repository }: GitHub, message: string): PipelineError =>
  new PipelineError(finding('github_failed', repository, message))

/** One answer per key. A failure is not kept. */
function remembered<T>(work: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const known = new Map<string, Promise<T>>()
  return key => {
    const answer = known.get(key) ?? work(key)
    known.set(key, answer)
    answer.catch(() => known.delete(key))
    return answer
  }
}
