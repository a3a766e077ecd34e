import { retry } from '@octokit/plugin-retry'
import { throttling } from '@octokit/plugin-throttling'
import { Octokit } from '@octokit/rest'
import { finding, PipelineError } from '../errors.ts'
import { type Call, toFailure } from './failure.ts'

/** One repository at GitHub. Whatever fails there is thrown as a PipelineError that holds nothing of the token. */
export interface GitHub {
  octokit: Octokit
  owner: string
  repo: string
  /** `owner/name`: where findings are. */
  repository: string
}

type Options = NonNullable<ConstructorParameters<typeof Client>[0]>

export interface GitHubOptions {
  /** `owner/name` */
  repository: string
  token?: string
  /** Of the API: GITHUB_API_URL where it is not api.github.com. */
  baseUrl?: string
  fetch?: typeof globalThis.fetch
  /** How the plugins wait, where that is not as GitHub asks. */
  pacing?: { retry?: Options['retry']; throttle?: Partial<Options['throttle']> }
}

const Client = Octokit.plugin(retry, throttling)

/** Seconds for one attempt at one call. */
const DEADLINE = 30
/** Seconds that are waited for a limit to be lifted; a job that waits an hour has no news for anyone. */
const LONGEST_WAIT = 90
const MOST_WAITS = 2

/** What a second attempt would not change; after 429 the throttling plugin waits as long as GitHub asks. */
const NOT_RETRIED = [400, 401, 403, 404, 409, 410, 422, 429, 451]

/** As GitHub allows them. An Enterprise Managed User has an underscore. */
const REPOSITORY = /^([A-Za-z0-9][A-Za-z0-9_-]{0,99})\/(?!\.{1,2}$)([A-Za-z0-9._-]{1,100})$/

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** Refused: `github_not_found` (no name of a repository), `github_refused` (no form of a token). */
export function openGitHub(options: GitHubOptions): GitHub {
  const { repository, token, baseUrl, fetch: send = globalThis.fetch, pacing = {} } = options
  const [, owner, repo] = REPOSITORY.exec(repository) ?? []
  if (owner === undefined || repo === undefined) {
    throw new PipelineError(
      finding('github_not_found', repository.slice(0, 200), 'is not of the form OWNER/REPOSITORY'),
    )
  }
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    throw new PipelineError(
      finding('github_refused', repository, 'the token is not one line of printable characters'),
    )
  }
  const mayWait = (seconds: number, _: unknown, __: unknown, waits: number): boolean =>
    seconds <= LONGEST_WAIT && waits < MOST_WAITS
  const octokit = new Client({
    ...(token !== undefined && { auth: token }),
    ...(baseUrl !== undefined && { baseUrl }),
    userAgent: 'lockstep',
    log: silent,
    request: { fetch: withDeadline(send), log: silent },
    retry: { doNotRetry: NOT_RETRIED, ...pacing.retry },
    throttle: { onRateLimit: mayWait, onSecondaryRateLimit: mayWait, ...pacing.throttle },
  })
  guard(octokit, repository, token)
  return { octokit, owner, repo, repository }
}

/** A redirect is refused: a repository that was renamed is another one, and fetch makes a GET of a POST on its way. */
const withDeadline =
  (send: typeof globalThis.fetch): typeof globalThis.fetch =>
  (url, init) =>
    send(url, { ...init, redirect: 'manual', signal: AbortSignal.timeout(DEADLINE * 1000) })

/** Around the plugins, so that what leaves octokit is JSON or one of our errors, in whatever call. */
function guard(octokit: Octokit, repository: string, token: string | undefined): void {
  octokit.hook.wrap('request', async (request, options) => {
    const call = callOf(options)
    const refuse = (message: string) =>
      new PipelineError(
        finding('github_failed', repository, `${call.method} ${call.path}: ${message}`),
      )
    try {
      const reply = await request(options)
      if (reply.status >= 300) throw refuse(`${reply.status}, as if the repository had moved`)
      if (typeof reply.data !== 'object' || reply.data instanceof ArrayBuffer)
        throw refuse(`${reply.status} without JSON`)
      return reply
    } catch (error) {
      throw toFailure(error, repository, call, token)
    }
  })
}

function callOf(options: { method: string; url: string; baseUrl: string }): Call {
  const values: Record<string, unknown> = { ...options }
  const filled = options.url.replace(/\{(\w+)\}/g, (_, name) => `${values[name]}`)
  const path = filled.startsWith(options.baseUrl) ? filled.slice(options.baseUrl.length) : filled
  return { method: options.method, path: path.split('?')[0] ?? '' }
}
