import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { afterEach, beforeEach, expect } from 'vitest'
import { type GitHubOptions, openGitHub } from '../../keys-pipeline/github/client.ts'
import { type Operation, operationOf } from '../vectors/github/contract.ts'

type Json = Record<string, unknown>

/** Given in place of one answer; to the next request, or to the next that it is meant for. */
export interface ServerFault {
  /** 0 breaks the connection off. */
  status: number
  body?: unknown
  headers?: Record<string, string>
  /** Matched against `GET /repos/owner/name/pages`. */
  at?: RegExp
  /** The request is carried out all the same: only the answer is lost. */
  isDone?: boolean
  /** What else happens at that moment. */
  meanwhile?: () => void
}

interface Issue extends Json {
  number: number
  state: string
  title: string
  body: string
  user: { login: string }
  labels: { name: string }[]
  created_at: string
  comments_made: { body: string; user: { login: string }; created_at: string }[]
}

interface Pull extends Json {
  number: number
  state: string
  merged_at: string | null
  head: string
  base: string
  title: string
  body: string
  /** Whose branch it is, where it is a fork's. */
  from?: string
}

interface Answer {
  status: number
  body: unknown
}

const OWNER = 'acme-health'
const NAME = 'keys'
export const REPOSITORY = `${OWNER}/${NAME}`

/** Neither plugin waits: their clocks are not ours to move. */
const atOnce = {
  key: () => ({ schedule: (_: unknown, work: () => Promise<unknown>) => work() }),
} as never

export const UNPACED: NonNullable<GitHubOptions['pacing']> = {
  retry: { retryAfterBaseValue: 0 },
  throttle: { retryAfterBaseValue: 0, write: atOnce, notifications: atOnce },
}

const error = (status: number, message: string): Answer => ({ status, body: { message } })
const notFound = (): Answer => error(404, 'Not Found')
const ok = (body: unknown): Answer => ({ status: 200, body })
const made = (body: unknown): Answer => ({ status: 201, body })

/**
 * GitHub's API as one repository of it behaves. Each request and each reply is held against GitHub's own description;
 * what differs is in `violations`, which a test finds empty at its end.
 */
export class GitHubServer {
  readonly violations: string[] = []
  /** `GET /repos/owner/name/pages?page=2` */
  readonly requests: { line: string; body: Json | undefined; authorization: string | undefined }[] =
    []
  readonly faults: ServerFault[] = []
  readonly git = new Git()

  url = ''
  /** Milliseconds since the epoch. */
  now = Date.UTC(2026, 10, 25)
  /** Who the token belongs to; null is the token of a workflow, which may not ask. */
  login: string | null = null
  pages: Json | null = null
  rules: Json[] = []
  /** Null where the branch has none, or the token may not look. */
  protection: Json | null = null
  permissions: Json = { enabled: true }
  /** What GitHub has against CODEOWNERS; null where there is none. */
  owners: Json[] | null = null
  /** Newest first, as GitHub lists them; the statuses too. */
  deployments: { id: number; sha: string; environment: string; statuses: Json[] }[] = []
  issues: Issue[] = []
  pulls: Pull[] = []
  pullComments: { pull: number; body: string }[] = []
  /** False for a token that may write issues, but not give labels. */
  mayLabel = true

  readonly #server: Server = createServer((request, reply) => {
    this.#answer(request, reply).catch((reason: Error) => {
      this.violations.push(`the server fell: ${reason.stack}`)
      reply.destroy()
    })
  })

  async start(): Promise<this> {
    await new Promise<void>(done => this.#server.listen(0, '127.0.0.1', done))
    const address = this.#server.address()
    this.url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
    return this
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(done => this.#server.close(done))
  }

  /** A client of it that never waits. */
  open(options: Partial<GitHubOptions> = {}) {
    return openGitHub({ repository: REPOSITORY, baseUrl: this.url, pacing: UNPACED, ...options })
  }

  /** The requests that change something. */
  writes(): string[] {
    return this.requests.map(({ line }) => line).filter(line => !line.startsWith('GET '))
  }

  async #answer(request: IncomingMessage, reply: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url)
    const method = request.method ?? ''
    const body = await bodyOf(request)
    const line = `${method} ${request.url}`
    this.requests.push({ line, body, authorization: request.headers.authorization })
    const operation = operationOf(method, url.pathname)
    if (operation === null) this.violations.push(`${line} is not described`)
    else this.violations.push(...operation.judgeRequest(url.searchParams, body))
    const fault = this.#faultFor(`${method} ${url.pathname}`)
    const answer =
      operation === null || (fault && !fault.isDone)
        ? notFound()
        : this.#carryOut(operation, url.searchParams, body ?? {})
    fault?.meanwhile?.()
    if (fault) this.#fail(fault, operation, request, reply)
    else this.#send(answer, operation, url, reply)
  }

  #faultFor(line: string): ServerFault | undefined {
    const at = this.faults.findIndex(fault => fault.at === undefined || fault.at.test(line))
    return at < 0 ? undefined : this.faults.splice(at, 1)[0]
  }

  /** What GitHub describes of its own faults is held to it; what stands before it says what it likes. */
  #fail(
    { status, body = '', headers = {} }: ServerFault,
    operation: Operation | null,
    request: IncomingMessage,
    reply: ServerResponse,
  ): void {
    if (status === 0) {
      request.socket.destroy()
      return
    }
    const isJson = typeof body === 'object'
    if (isJson && status >= 400 && operation?.isDescribed(status))
      this.violations.push(...operation.judgeReply(status, body))
    const type = isJson ? 'application/json; charset=utf-8' : 'text/html; charset=utf-8'
    reply
      .writeHead(status, { 'content-type': type, ...headers })
      .end(isJson ? JSON.stringify(body) : body)
  }

  #send(answer: Answer, operation: Operation | null, url: URL, reply: ServerResponse): void {
    const headers: Record<string, string> = { 'content-type': 'application/json; charset=utf-8' }
    let { body } = answer
    if (operation?.isPaged && Array.isArray(body)) {
      const [page, size] = [
        url.searchParams.get('page') ?? 1,
        url.searchParams.get('per_page') ?? 30,
      ]
      const end = Number(page) * Number(size)
      if (body.length > end) {
        const next = new URL(url)
        next.searchParams.set('page', `${Number(page) + 1}`)
        headers['link'] = `<${next}>; rel="next"`
      }
      body = body.slice(end - Number(size), end)
    }
    const whole = operation === null ? body : operation.fill(answer.status, body)
    if (operation) this.violations.push(...operation.judgeReply(answer.status, whole))
    reply.writeHead(answer.status, headers).end(JSON.stringify(whole))
  }

  #carryOut({ name, parameters }: Operation, query: URLSearchParams, body: Json): Answer {
    const { owner, repo } = parameters
    const isOurs = owner === OWNER && repo === NAME
    if (name !== 'GET /user' && !isOurs) return notFound()
    const handle = this.#handlers[name.replace('/repos/{owner}/{repo}', '')]
    return handle?.(parameters, query, body) ?? notFound()
  }

  readonly #handlers: Record<
    string,
    (parameters: Readonly<Record<string, string>>, query: URLSearchParams, body: Json) => Answer
  > = {
    'GET /user': () =>
      this.login === null
        ? error(403, 'Resource not accessible by integration')
        : ok({ login: this.login }),
    'GET ': () => ok({ name: NAME, full_name: REPOSITORY, default_branch: 'main' }),
    'GET /pages': () => (this.pages === null ? notFound() : ok(this.pages)),
    'GET /rules/branches/{branch}': () => ok(this.rules),
    'GET /branches/{branch}/protection': () =>
      this.protection === null ? error(404, 'Branch not protected') : ok(this.protection),
    'GET /actions/permissions': () => ok(this.permissions),
    'GET /codeowners/errors': () =>
      this.owners === null ? notFound() : ok({ errors: this.owners }),
    'GET /deployments': (_, query) =>
      ok(
        this.deployments
          .filter(({ environment }) => environment === query.get('environment'))
          .map(({ statuses, ...deployment }) => deployment),
      ),
    'GET /deployments/{deployment_id}/statuses': ({ deployment_id }) => {
      const found = this.deployments.find(({ id }) => `${id}` === deployment_id)
      return found ? ok(found.statuses) : notFound()
    },
    'GET /issues': (_, query) =>
      ok(
        this.issues
          .filter(({ state }) => state === query.get('state'))
          .filter(({ labels }) => labels.some(({ name }) => name === query.get('labels')))
          .map(({ comments_made, ...issue }) => issue),
      ),
    'POST /issues': (_, __, body) => made(this.#newIssue(body)),
    'PATCH /issues/{issue_number}': ({ issue_number }, _, body) => {
      const issue = this.#issue(issue_number)
      if (!issue) return notFound()
      Object.assign(issue, body)
      const { comments_made, ...shown } = issue
      return ok(shown)
    },
    'GET /issues/{issue_number}/comments': ({ issue_number }, query) => {
      const since = Date.parse(query.get('since') ?? '') || 0
      const comments = this.#issue(issue_number)?.comments_made
      return comments
        ? ok(comments.filter(({ created_at }) => Date.parse(created_at) >= since))
        : notFound()
    },
    'POST /issues/{issue_number}/comments': ({ issue_number }, _, body) => {
      const issue = this.#issue(issue_number)
      const pull = this.pulls.find(({ number }) => `${number}` === issue_number)
      if (!issue && !pull) return notFound()
      const comment = { body: `${body['body']}`, user: this.#self(), created_at: this.#time() }
      if (issue) issue.comments_made.push(comment)
      else this.pullComments.push({ pull: Number(issue_number), body: comment.body })
      return made(comment)
    },
    'GET /pulls': (_, query) =>
      ok(
        this.pulls
          .filter(({ state }) => ['all', state].includes(query.get('state') ?? 'open'))
          .filter(
            ({ head, base }) =>
              `${OWNER}:${head} ${base}` === `${query.get('head')} ${query.get('base')}`,
          )
          .map(shownPull)
          .reverse(),
      ),
    'POST /pulls': (_, __, body) => {
      const { head = '', base = '', title = '', body: text = '' } = body as Record<string, string>
      const isTaken = this.pulls.some(
        each => each.state === 'open' && each.head === head && each.from === undefined,
      )
      if (isTaken || !this.git.refs.has(`heads/${head}`)) return error(422, 'Validation Failed')
      const pull: Pull = {
        ...{ number: this.pulls.length + 1, state: 'open', merged_at: null },
        ...{ head, base, title, body: text },
      }
      this.pulls.push(pull)
      return made(shownPull(pull))
    },
    'GET /pulls/{pull_number}': ({ pull_number }) => {
      const pull = this.pulls.find(({ number }) => `${number}` === pull_number)
      return pull ? ok(shownPull(pull)) : notFound()
    },
    'PATCH /pulls/{pull_number}': ({ pull_number }, _, { state }) => {
      const pull = this.pulls.find(({ number }) => `${number}` === pull_number)
      if (!pull) return notFound()
      const isOfBranch = this.git.refs.has(`heads/${pull.head}`)
      if (state === 'open' && (pull.merged_at !== null || !isOfBranch))
        return error(422, 'Validation Failed')
      Object.assign(pull, { state })
      return ok(shownPull(pull))
    },
    'GET /compare/{basehead}': ({ basehead = '' }) => {
      const [base = '', head = ''] = basehead.split('...')
      return ok(this.git.compare(base, head))
    },
    'GET /git/ref/{ref}': ({ ref = '' }) => {
      const sha = this.git.refs.get(ref)
      return sha ? ok({ ref: `refs/${ref}`, object: { type: 'commit', sha } }) : notFound()
    },
    'POST /git/refs': (_, __, { ref, sha }) => {
      const name = `${ref}`.replace(/^refs\//, '')
      if (this.git.refs.has(name)) return error(422, 'Reference already exists')
      this.git.refs.set(name, `${sha}`)
      return made({ ref, object: { type: 'commit', sha } })
    },
    'PATCH /git/refs/{ref}': ({ ref = '' }, _, { sha, force }) => {
      const isForward = this.git.history(`${sha}`).includes(this.git.refs.get(ref) ?? '')
      if (!isForward && force !== true) return error(422, 'Update is not a fast forward')
      this.git.refs.set(ref, `${sha}`)
      return ok({ ref: `refs/${ref}`, object: { type: 'commit', sha } })
    },
    'GET /git/trees/{tree_sha}': ({ tree_sha = '' }, query) => {
      const tree = this.git.treeOf(tree_sha)
      if (!tree) return notFound()
      const entries = query.has('recursive') ? this.git.walk(tree) : tree
      return ok({ sha: tree_sha, truncated: false, tree: entries })
    },
    'POST /git/blobs': (_, __, { content, encoding }) => {
      const sha = this.git.blob(Buffer.from(`${content}`, encoding as BufferEncoding))
      return made({ sha, url: `${this.url}/repos/${REPOSITORY}/git/blobs/${sha}` })
    },
    'POST /git/trees': (_, __, { base_tree, tree }) => {
      const sha = this.git.changed(base_tree as string, tree as TreeChange[])
      return sha === null
        ? error(422, 'GitRPC::BadObjectState')
        : made({ sha, truncated: false, tree: this.git.treeOf(sha) })
    },
    'GET /git/commits/{commit_sha}': ({ commit_sha = '' }) => {
      const commit = this.git.commits.get(commit_sha)
      return commit ? ok(shownCommit(commit_sha, commit)) : notFound()
    },
    'POST /git/commits': (_, __, { message, tree, parents }) => {
      const sha = this.git.commitTree(`${tree}`, parents as string[], `${message}`)
      return made(shownCommit(sha, this.git.commits.get(sha) as Commit))
    },
    'GET /git/blobs/{file_sha}': ({ file_sha = '' }) => {
      const bytes = this.git.blobs.get(file_sha)
      if (!bytes) return notFound()
      // GitHub breaks base64 into lines.
      const content = bytes.toString('base64').replace(/.{60}/g, '$&\n')
      return ok({ sha: file_sha, size: bytes.length, content, encoding: 'base64' })
    },
  }

  #newIssue({ title, body, labels }: Json): Omit<Issue, 'comments_made'> {
    const named = this.mayLabel ? (labels as string[]) : []
    const issue = {
      number: this.issues.length + 1,
      state: 'open',
      title: `${title}`,
      body: `${body}`,
      user: this.#self(),
      labels: named.map(name => ({ name })),
      created_at: this.#time(),
    }
    this.issues.push({ ...issue, comments_made: [] })
    return issue
  }

  #issue = (number: string | undefined): Issue | undefined =>
    this.issues.find(issue => `${issue.number}` === number)

  #self = () => ({ login: this.login ?? 'github-actions[bot]' })

  #time = (): string => `${new Date(this.now).toISOString().slice(0, 19)}Z`
}

const shownPull = ({ head, base, from = OWNER, ...pull }: Pull) => ({
  ...pull,
  html_url: `https://github.com/${REPOSITORY}/pull/${pull.number}`,
  head: { ref: head, label: `${from}:${head}`, repo: { full_name: `${from}/${NAME}` } },
  base: { ref: base, repo: { full_name: REPOSITORY } },
})

const shownCommit = (sha: string, { tree, parents, message, at }: Commit) => ({
  sha,
  message,
  committer: { name: 'x', email: 'x@example.com', date: new Date(at).toISOString() },
  tree: { sha: tree },
  parents: parents.map(parent => ({ sha: parent })),
})

interface Entry {
  path: string
  mode: string
  type: string
  sha: string
  size?: number
}

interface TreeChange {
  path: string
  mode: string
  type: string
  sha: string | null
}

interface Commit {
  tree: string
  parents: string[]
  message: string
  /** Milliseconds since the epoch. */
  at: number
}

/** Files by path; a link or an executable names its mode. */
export type Files = Record<string, string | Buffer | { mode: string; content: string }>

/** As much of git as the API shows. Blobs are named as git names them, the rest by any hash of what they are. */
class Git {
  readonly blobs = new Map<string, Buffer>()
  readonly trees = new Map<string, Entry[]>()
  readonly commits = new Map<string, Commit>()
  /** `heads/main` */
  readonly refs = new Map<string, string>()

  /** A commit of these files and no others, at the end of a branch. */
  commit(files: Files, { branch = 'main', message = 'a commit', at = 0 } = {}): string {
    const parent = this.refs.get(`heads/${branch}`)
    const sha = this.commitTree(this.#write(files), parent ? [parent] : [], message, at)
    this.refs.set(`heads/${branch}`, sha)
    return sha
  }

  commitTree(tree: string, parents: string[], message: string, at = 0): string {
    const sha = this.#name(['commit', tree, parents, message, at])
    this.commits.set(sha, { tree, parents, message, at })
    return sha
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
    for (const { path, sha, mode } of changes) {
      if (sha === null ? !files.delete(path) : !this.blobs.has(sha)) return null
      if (sha !== null) files.set(path, { mode, sha })
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
    const fork = after.find(sha => before.includes(sha)) ?? base
    const status = ahead.length > 0 ? (behind.length > 0 ? 'diverged' : 'ahead') : 'behind'
    return {
      status,
      ahead_by: ahead.length,
      behind_by: behind.length,
      total_commits: ahead.length,
      commits: ahead.map(sha => ({ sha, commit: { message: this.commits.get(sha)?.message } })),
      files: this.#difference(fork, head),
    }
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

async function bodyOf(request: IncomingMessage): Promise<Json | undefined> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part)
  return parts.length > 0 ? JSON.parse(Buffer.concat(parts).toString()) : undefined
}

/** A server of its own for each test, whose every request and reply was as GitHub describes it. */
export function githubForEach(): () => GitHubServer {
  let server: GitHubServer
  beforeEach(async () => {
    server = await new GitHubServer().start()
  })
  afterEach(async () => {
    await server.stop()
    expect(server.violations).toEqual([])
  })
  return () => server
}
