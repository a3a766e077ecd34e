import { type Code, finding, PipelineError } from '../errors.ts'

/** One call of GitHub's API, as an error names it. */
export interface Call {
  method: string
  path: string
}

/**
 * What a token must be allowed for each part of the API, in the words of GitHub's settings. The first part that the
 * path has is the one.
 *
 * @see GitHub, "Permissions required for fine-grained personal access tokens"
 */
const PERMISSIONS: readonly [RegExp, string][] = [
  [/^\/repos\/[^/]+\/[^/]+\/pages\b/, 'Pages'],
  [/^\/repos\/[^/]+\/[^/]+\/issues\b/, 'Issues'],
  [/^\/repos\/[^/]+\/[^/]+\/pulls\b/, 'Pull requests'],
  [/^\/repos\/[^/]+\/[^/]+\/deployments\b/, 'Deployments'],
  [/^\/repos\/[^/]+\/[^/]+\/(git|compare|codeowners)\b/, 'Contents'],
  [
    /^\/repos\/[^/]+\/[^/]+\/(branches\/[^/]+\/protection|actions\/permissions)\b/,
    'Administration',
  ],
  [/^/, 'Metadata'],
]

/** Characters of what GitHub says. */
const MOST_SAID = 200

/**
 * Whatever a call threw, as a finding about the repository. Nothing of the error goes along but GitHub's message:
 * octokit's errors hold the request with its headers, undici's may quote them, and a proxy may echo them.
 */
export function toFailure(
  error: unknown,
  repository: string,
  call: Call,
  token: string | undefined,
): PipelineError {
  if (error instanceof PipelineError) return error
  const { status, response }: { status?: unknown; response?: Reply } = Object(error)
  const what = `${call.method} ${call.path}`
  const say = (code: Code, message: string): PipelineError =>
    new PipelineError(
      finding(
        code,
        repository,
        `${what}: ${token ? message.replaceAll(token, '[token]') : message}`,
      ),
    )
  if (typeof status !== 'number' || response === undefined)
    return say('github_unreachable', reasonOf(error))
  const said = `${status} ${messageIn(response.data)}`.trim()
  if (isLimited(status, response)) return say('github_failed', `${said} (rate limit)`)
  if (status === 401) return say('github_refused', `${said} (the token is not known)`)
  if (status === 403) return say('github_refused', `${said} (needed: ${permissionFor(call)})`)
  if (status === 404) return say('github_not_found', said)
  return say([409, 422].includes(status) ? 'github_rejected' : 'github_failed', said)
}

interface Reply {
  headers?: Readonly<Record<string, unknown>>
  data?: unknown
}

function permissionFor({ method, path }: Call): string {
  const [, name] = PERMISSIONS.find(([pattern]) => pattern.test(path)) ?? []
  return `${name}: ${method === 'GET' ? 'read' : 'write'}`
}

/** GitHub answers 403 both to a token that may not and to one that asks too often. */
function isLimited(status: number, { headers = {}, data }: Reply): boolean {
  if (status === 429) return true
  if (status !== 403) return false
  const isSpent = `${headers['x-ratelimit-remaining']}` === '0'
  return isSpent || headers['retry-after'] !== undefined || /rate limit/i.test(messageIn(data))
}

/** The message of a JSON reply; an HTML page says nothing that helps. */
function messageIn(data: unknown): string {
  if (typeof data !== 'object' || data === null || !('message' in data)) return ''
  return typeof data.message === 'string' ? data.message.slice(0, MOST_SAID) : ''
}

/** The system's own word for it (ECONNREFUSED, TimeoutError), which holds nothing of the request. */
function reasonOf(error: unknown): string {
  for (
    let each = error, depth = 0;
    each instanceof Error && depth < 5;
    each = each.cause, depth++
  ) {
    const { code, name } = each as NodeJS.ErrnoException
    if (typeof code === 'string' && /^[A-Z_0-9]+$/.test(code)) return code
    if (name === 'TimeoutError') return 'no answer in time'
  }
  return 'no answer that can be read'
}

const HIDDEN: readonly Code[] = ['github_refused', 'github_not_found']

/** The token may not see it, or it is not there. */
export const isHidden = (error: unknown): error is PipelineError =>
  error instanceof PipelineError && HIDDEN.includes(error.code)

/** Somebody else was first, or a rule forbids it. */
export const isRejected = (error: unknown): error is PipelineError =>
  error instanceof PipelineError && error.code === 'github_rejected'

/** GitHub makes no difference between what is not there and what this token may not see. */
export const isMissing = (error: unknown): boolean =>
  error instanceof PipelineError && error.code === 'github_not_found'
