import { PipelineError } from '../../keys-pipeline/errors.ts'
import type { GitHubOptions } from '../../keys-pipeline/github/client.ts'
import type { KeyChange } from '../../keys-pipeline/github/key-changes.ts'
import type { PullState } from '../../keys-pipeline/github/pulls.ts'
import type { Times } from '../../keys-pipeline/github/record.ts'
import type { Environment } from '../../keys-pipeline/key-set.ts'
import { BrokerError } from '../errors.ts'

/** Where changes of the published keys are proposed to people. Refused, in all: `proposal_failed`. */
export interface Publisher {
  /** Where it is refused, a repeat goes on from where this one ended. */
  propose: (change: KeyChange) => Promise<Proposal>
  /** What became of a proposal, by its number. */
  look: (number: number) => Promise<PullState>
  /** Takes a proposal back, and says why. */
  close: (number: number, why: string) => Promise<void>
  reopen: (number: number) => Promise<void>
  /** When the keys of an environment were made, by its lifecycle file. */
  made: (environment: Environment) => Promise<Times>
  /** Since when they are live at a URL, by its deployments; little further back than `before`. */
  live: (environment: Environment, where: { url: string; before: number }) => Promise<Times>
}

export type Proposal =
  | { did: 'opened' | 'updated' | 'unchanged' | 'declined'; number: number; url: string }
  /** The default branch is like that already. */
  | { did: 'unneeded' }

/** The repository, and how it is come to. */
export interface RepositoryAccess {
  /** OWNER/NAME. */
  repository: string
  /** Of the API; null for api.github.com. */
  baseUrl: string | null
  fetch: typeof globalThis.fetch
  /** How GitHub's library waits between two writes, where that is not as GitHub asks. */
  throttle?: NonNullable<GitHubOptions['pacing']>['throttle']
}

/** The caller tries again by itself, and later; a wait in here would hold up its end. */
const AT_ONCE = {
  retry: { retries: 0 },
  throttle: { onRateLimit: () => false, onSecondaryRateLimit: () => false },
}

/** GitHub's libraries are loaded when there is something to propose, and never where there is not. */
async function open({ repository, baseUrl, fetch, throttle }: RepositoryAccess, token: string) {
  const { openGitHub } = await import('../../keys-pipeline/github/client.ts')
  const pacing = { ...AT_ONCE, throttle: { ...AT_ONCE.throttle, ...throttle } }
  return openGitHub({
    ...{ repository, token, fetch, pacing },
    ...(baseUrl !== null && { baseUrl }),
  })
}

/** `token` is asked for each time, since tokens end; `reading` is one that need not write. */
export function openPublisher(
  access: RepositoryAccess,
  token: () => Promise<string>,
  reading = token,
): Publisher {
  const pulls = () => import('../../keys-pipeline/github/pulls.ts')
  const record = () => import('../../keys-pipeline/github/record.ts')
  return {
    propose: change =>
      refusing(access, async () => {
        const { proposeKeys } = await import('../../keys-pipeline/github/proposal.ts')
        const proposed = await proposeKeys(await open(access, await token()), [change])
        if (proposed.did === 'unneeded') return proposed
        const { did, number, url } = proposed
        return { did, number, url }
      }),
    look: number =>
      refusing(access, async () =>
        (await pulls()).stateOfPull(await open(access, await token()), number),
      ),
    close: (number, why) =>
      refusing(access, async () =>
        (await pulls()).closePull(await open(access, await token()), number, why),
      ),
    reopen: number =>
      refusing(access, async () =>
        (await pulls()).reopenPull(await open(access, await token()), number),
      ),
    made: environment =>
      refusing(access, async () =>
        (await record()).madeTimes(await open(access, await reading()), environment),
      ),
    live: (environment, where) =>
      refusing(access, async () =>
        (await record()).liveTimes(await open(access, await reading()), environment, where),
      ),
  }
}

/** In that repository alone: what a proposal needs, and what its record. */
const PERMISSIONS = {
  write: { contents: 'write', pull_requests: 'write' },
  read: { contents: 'read', deployments: 'read' },
} as const

/** A token of an app's installation for its JWT. Refused: `proposal_failed`. */
export const installationToken =
  (access: RepositoryAccess, installationId: number, may: keyof typeof PERMISSIONS = 'write') =>
  (jwt: string): Promise<{ token: string; expiresAt: string }> =>
    refusing(access, async () => {
      const { octokit, repo } = await open(access, jwt)
      const { data } = await octokit.rest.apps.createInstallationAccessToken({
        installation_id: installationId,
        ...{ repositories: [repo], permissions: PERMISSIONS[may] },
      })
      return { token: data.token, expiresAt: data.expires_at }
    })

async function refusing<T>({ repository }: RepositoryAccess, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error
    const [first] = error.findings
    const { code: finding = null, message: said = null, fix = null } = first ?? {}
    throw new BrokerError('proposal_failed', { repository, finding, said, fix })
  }
}
