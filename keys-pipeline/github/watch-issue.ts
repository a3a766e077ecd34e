import Type, { type Static } from 'typebox'
import { type Finding, finding, PipelineError } from '../errors.ts'
import type { GitHub } from './client.ts'
import { fenced, titled } from './markdown.ts'
import { replyReader } from './reply.ts'

/** Something that is wrong with what is published. Code and place are its identity; the rest is for people. */
export interface Fault {
  code: string
  place: string
  title: string
  /** Shown as it is, in a code block. */
  body: string
}

/** What was done about one fault; `issue` is the number of its issue. */
export interface Deed {
  did: 'opened' | 'commented' | 'left' | 'closed'
  issue: number
  marker: string
}

export interface WatchOptions {
  /** Milliseconds since the epoch. */
  now: number
  /** Hours between two comments on the same fault. */
  hours?: number
}

/** Issues of ours have it; it is made with the first of them. */
const LABEL = 'lockstep-watch'
/** Who the token of a workflow writes as. It may not ask who it is. */
const ACTIONS = 'github-actions[bot]'
const HOUR = 60 * 60 * 1000

const Author = Type.Union([Type.Object({ login: Type.String() }), Type.Null()])
const Issue = Type.Object({
  number: Type.Integer(),
  body: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  user: Author,
  created_at: Type.String(),
  labels: Type.Array(
    Type.Union([Type.String(), Type.Object({ name: Type.Optional(Type.String()) })]),
  ),
  pull_request: Type.Optional(Type.Unknown()),
})
const readIssue = replyReader('issue', Issue)
const readIssues = replyReader('list of issues', Type.Array(Issue))
const readComments = replyReader(
  'list of comments',
  Type.Array(Type.Object({ body: Type.Optional(Type.String()), user: Author })),
)
const readUser = replyReader('user', Type.Object({ login: Type.String({ minLength: 1 }) }))

/**
 * One open issue for each fault that there is now: opened when it is new, commented on when it stays (at most once in
 * so many hours), closed when it is gone. So `faults` must be all of them: what is not named counts as mended.
 *
 * An issue is ours when the token's own user made it, it has the label, and its first line is the marker of a fault. A
 * stranger may write that line too, and is passed over; an issue that a person closed stays closed, and the fault gets
 * a new one.
 *
 * Never throws what GitHub fails with, since a watcher goes on: when the open issues cannot be read nothing is done,
 * and the findings say so (`github_*`); another failure is about one fault, and the others are done.
 */
export async function reportFaults(
  github: GitHub,
  faults: readonly Fault[],
  { now, hours = 24 }: WatchOptions,
): Promise<{ deeds: Deed[]; findings: Finding[] }> {
  const deeds: Deed[] = []
  const findings: Finding[] = []
  const attempt = async <T>(work: () => Promise<T>): Promise<T | null> => {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof PipelineError)) throw error
      findings.push(...error.findings)
      return null
    }
  }
  const watch = await attempt(() => lookUp(github))
  if (watch === null) return { deeds, findings }
  const present = new Map(faults.map(fault => [markerOf(fault), fault]))
  for (const [marker, fault] of present) {
    const [issue] = watch.open.get(marker) ?? []
    const did = await attempt(() =>
      issue ? remind(watch, issue, fault, now - hours * HOUR) : open(watch, fault),
    )
    if (did) deeds.push({ ...did, marker })
  }
  for (const [marker, issues] of watch.open) {
    if (present.has(marker)) continue
    for (const { number } of issues) {
      const did = await attempt(() => close(watch, number, marker))
      if (did) deeds.push({ ...did, marker })
    }
  }
  return { deeds, findings }
}

interface Watch {
  github: GitHub
  author: string
  /** Our open issues by their marker, oldest first. */
  open: ReadonlyMap<string, Static<typeof Issue>[]>
}

/** Percent-encoded, so that whatever the place is the comment ends where it ends, and is one line. */
const markerOf = ({ code, place }: Pick<Fault, 'code' | 'place'>): string =>
  `<!-- ${LABEL}: ${[code, place].map(each => encodeURIComponent(each.toWellFormed())).join(' ')} -->`

async function lookUp(github: GitHub): Promise<Watch> {
  const { octokit, owner, repo } = github
  const author = await ownLogin(github)
  const listed = await octokit.paginate(octokit.rest.issues.listForRepo, {
    owner,
    repo,
    labels: LABEL,
    state: 'open',
    sort: 'created',
    direction: 'asc',
    per_page: 100,
  })
  const ours = readIssues(github, listed).filter(
    issue => isBy(author, issue) && isLabelled(issue) && issue.pull_request === undefined,
  )
  const open = Map.groupBy(ours, firstLine)
  for (const line of open.keys()) if (!MARKER.test(line)) open.delete(line)
  return { github, author, open }
}

const MARKER = new RegExp(`^<!-- ${LABEL}: \\S+ \\S+ -->$`)

const firstLine = ({ body }: { body?: string | null }): string =>
  (body ?? '').split(/\r?\n/)[0] ?? ''

const isBy = (author: string, { user }: { user: Static<typeof Author> }): boolean =>
  user?.login.toLowerCase() === author.toLowerCase()

const isLabelled = ({ labels }: Pick<Static<typeof Issue>, 'labels'>): boolean =>
  labels.some(label => (typeof label === 'string' ? label : label.name) === LABEL)

async function ownLogin(github: GitHub): Promise<string> {
  try {
    const { data } = await github.octokit.rest.users.getAuthenticated()
    return readUser(github, data).login
  } catch (error) {
    if (error instanceof PipelineError && error.code === 'github_refused') return ACTIONS
    throw error
  }
}

/** A repeated attempt could make a second one: after a 502 the first may have been made. */
const ONCE = { request: { retries: 0 } }

async function open({ github }: Watch, fault: Fault): Promise<Omit<Deed, 'marker'>> {
  const { octokit, owner, repo, repository } = github
  const { data } = await octokit.rest.issues.create({
    owner,
    repo,
    title: titled(fault.title),
    body: textOf(fault, 'This issue is kept by the watch: it is closed when the fault is gone.'),
    labels: [LABEL],
    ...ONCE,
  })
  const issue = readIssue(github, data)
  if (isLabelled(issue)) return { did: 'opened', issue: issue.number }
  // GitHub drops a label that the token may not give, and the next look-up would not find the issue.
  await octokit.rest.issues.update({ owner, repo, issue_number: issue.number, state: 'closed' })
  throw new PipelineError(
    finding('github_refused', repository, `the token may not give the label ${LABEL}`),
  )
}

/** Leaves the issue alone where it was opened, or commented on by us, after `since`. */
async function remind(
  { github, author }: Watch,
  { number: issue_number, created_at }: Static<typeof Issue>,
  fault: Fault,
  since: number,
): Promise<Omit<Deed, 'marker'>> {
  const { octokit, owner, repo } = github
  const left = { did: 'left', issue: issue_number } as const
  if (Date.parse(created_at) > since) return left
  const listed = await octokit.paginate(octokit.rest.issues.listComments, {
    owner,
    repo,
    issue_number,
    since: new Date(since).toISOString(),
    per_page: 100,
  })
  const isRecent = readComments(github, listed).some(
    comment => isBy(author, comment) && firstLine(comment) === markerOf(fault),
  )
  if (isRecent) return left
  await octokit.rest.issues.createComment({
    owner,
    repo,
    issue_number,
    body: textOf(fault, 'The fault is still there.'),
    ...ONCE,
  })
  return { did: 'commented', issue: issue_number }
}

/** Closed before it is commented on: a comment that fails is then not repeated at each look. */
async function close(
  { github }: Watch,
  issue_number: number,
  marker: string,
): Promise<Omit<Deed, 'marker'>> {
  const { octokit, owner, repo } = github
  const here = { owner, repo, issue_number }
  await octokit.rest.issues.update({ ...here, state: 'closed', state_reason: 'completed' })
  await octokit.rest.issues.createComment({
    ...here,
    body: `${marker}\n\nThe fault is gone.`,
    ...ONCE,
  })
  return { did: 'closed', issue: issue_number }
}

const textOf = (fault: Fault, ending: string): string =>
  [markerOf(fault), fenced(fault.body), ending].join('\n\n')
