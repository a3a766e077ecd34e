import { PipelineError } from '../../keys-pipeline/errors.ts'
import type { KeyChange } from '../../keys-pipeline/github/key-changes.ts'
import { BrokerError } from '../errors.ts'

/** Where changes of the published keys are proposed to people. */
export interface Publisher {
  /** Refused: `proposal_failed`, after which a repeat goes on from where this one ended. */
  propose: (change: KeyChange) => Promise<Proposal>
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
  /** Asked for each proposal, since tokens end. Refused: `proposal_failed`. */
  token: () => Promise<string>
  fetch: typeof globalThis.fetch
}

/** The caller tries again by itself, and later; a wait in here would hold up its end. */
const AT_ONCE = {
  retry: { enabled: false },
  throttle: { onRateLimit: () => false, onSecondaryRateLimit: () => false },
}

/** GitHub's libraries are loaded when there is something to propose, and never where there is not. */
export const openPublisher = (access: RepositoryAccess): Publisher => ({
  propose: async change => {
    const { repository, baseUrl, token, fetch } = access
    const [{ openGitHub }, { proposeKeys }] = await Promise.all([
      import('../../keys-pipeline/github/client.ts'),
      import('../../keys-pipeline/github/proposal.ts'),
    ])
    try {
      const github = openGitHub({
        ...{ repository, token: await token(), fetch, pacing: AT_ONCE },
        ...(baseUrl !== null && { baseUrl }),
      })
      const { did, ...proposed } = await proposeKeys(github, [change])
      if (!('number' in proposed)) return { did: 'unneeded' }
      const { number, url } = proposed
      return { did, number, url } as Proposal
    } catch (error) {
      if (!(error instanceof PipelineError)) throw error
      const [{ code, message, fix } = { code: 'internal', message: '', fix: '' }] = error.findings
      throw new BrokerError('proposal_failed', { repository, finding: code, message, fix })
    }
  },
})
