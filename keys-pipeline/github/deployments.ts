import Type from 'typebox'
import { finding, PipelineError } from '../errors.ts'
import type { GitHub } from './client.ts'
import { type GitObjects, gitObjects } from './git-objects.ts'
import { KEYS_FOLDER } from './key-changes.ts'
import { replyReader } from './reply.ts'

/** One deployment that the world saw, and what was in its commit. */
export interface Publication {
  sha: string
  /** Milliseconds since the epoch: the end of the deployment, as its first `success` says. */
  since: number
  /** The files of `keys-pipeline/keys/<environment>/`, with their paths in the repository. */
  files: (environment: 'production' | 'nonprod') => Promise<{ path: string; bytes: Buffer }[]>
  /** `keys-pipeline/publisher.yaml`. Refused: `github_not_found` where the commit has none. */
  settings: () => Promise<string>
}

const ENVIRONMENT = 'github-pages'
const SETTINGS = 'keys-pipeline/publisher.yaml'

const readDeployments = replyReader(
  'list of deployments',
  Type.Array(
    Type.Object({
      id: Type.Integer(),
      sha: Type.String({ pattern: '^([0-9a-f]{40}|[0-9a-f]{64})$' }),
    }),
  ),
)
const readStatuses = replyReader(
  'list of deployment statuses',
  Type.Array(
    Type.Object({
      state: Type.String(),
      created_at: Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}Z$' }),
    }),
  ),
)

/**
 * The successful deployments of the site, in the order in which they were begun, newest first; as many are read as are
 * asked for. One that failed, or is under way, is left out. Refused: `github_*`, at whatever point; what was handed out
 * until then stays true, and what lies before it is unknown.
 *
 * @see GitHub REST, "List deployments" and "List deployment statuses"
 */
export async function* publicationHistory(github: GitHub): AsyncGenerator<Publication, void> {
  const { octokit, owner, repo } = github
  const objects = gitObjects(github)
  const pages = octokit.paginate.iterator(octokit.rest.repos.listDeployments, {
    owner,
    repo,
    environment: ENVIRONMENT,
    per_page: 30,
  })
  for await (const { data } of pages) {
    for (const { id, sha } of readDeployments(github, data)) {
      const since = await firstSuccess(github, id)
      if (since !== null) yield publication(github, objects, sha, since)
    }
  }
}

/** GitHub adds `inactive` to whatever a newer deployment replaces, so the last status does not tell. */
async function firstSuccess(github: GitHub, deployment_id: number): Promise<number | null> {
  const { octokit, owner, repo } = github
  const statuses = await octokit.paginate(octokit.rest.repos.listDeploymentStatuses, {
    owner,
    repo,
    deployment_id,
    per_page: 100,
  })
  const times = readStatuses(github, statuses)
    .filter(({ state }) => state === 'success')
    .map(({ created_at }) => Date.parse(created_at))
  return times.length > 0 ? Math.min(...times) : null
}

function publication(github: GitHub, objects: GitObjects, sha: string, since: number): Publication {
  return {
    sha,
    since,
    files: async environment => {
      const files = await objects.filesBelow(sha, `${KEYS_FOLDER}/${environment}`)
      return Promise.all(files.map(async ({ path, read }) => ({ path, bytes: await read() })))
    },
    settings: async () => {
      const file = await objects.file(sha, SETTINGS)
      if (file !== null) return (await file.read()).toString('utf8')
      throw new PipelineError(
        finding('github_not_found', github.repository, `${SETTINGS} is not in ${sha}`),
      )
    },
  }
}
