import Type from 'typebox'
import type { GitHub } from './client.ts'
import { replyReader, Sha } from './reply.ts'

/** One commit onto a branch. */
export interface Push {
  branch: string
  message: string
  /** The commit whose files it has, but for the changes. */
  base: string
  /** Where the branch is; null where there is none yet. */
  head: string | null
  parents: string[]
  /** Null takes a file away, which must be there. */
  files: readonly { path: string; content: string | null }[]
}

const readObject = replyReader('object of git', Type.Object({ sha: Sha }))
const readCommit = replyReader('commit', Type.Object({ tree: Type.Object({ sha: Sha }) }))

/**
 * The branch moves last, so that a push that ends half-way leaves nothing that anybody sees, and only forward, so that
 * of two at once one is refused. Refused: `github_*`; `github_rejected` where the branch has moved or may not be moved.
 *
 * @see GitHub REST, "Git database"
 */
export async function push(github: GitHub, wanted: Push): Promise<void> {
  const { branch, message, base, head, parents, files } = wanted
  const { owner, repo } = github
  const { git } = github.octokit.rest
  const commit = await git.getCommit({ owner, repo, commit_sha: base })
  const plain = { mode: '100644', type: 'blob' } as const
  const tree = await git.createTree({
    owner,
    repo,
    base_tree: readCommit(github, commit.data).tree.sha,
    tree: files.map(({ path, content }) =>
      content === null ? { path, ...plain, sha: null } : { path, ...plain, content },
    ),
  })
  const made = await git.createCommit({
    ...{ owner, repo, message, parents },
    tree: readObject(github, tree.data).sha,
  })
  const { sha } = readObject(github, made.data)
  if (head === null) await git.createRef({ owner, repo, ref: `refs/heads/${branch}`, sha })
  else await git.updateRef({ owner, repo, ref: `heads/${branch}`, sha, force: false })
}
