import { join } from 'node:path'
import { Command } from 'commander'
import { policyCommand } from '../../keys-pipeline/commands/policy.ts'
import type { Told } from '../../keys-pipeline/errors.ts'
import { build } from '../../keys-pipeline/pipeline.ts'
import { readTemplates } from '../../keys-pipeline/read.ts'
import { readSettings } from '../../keys-pipeline/settings.ts'
import { type GitHubServer, REPOSITORY } from './github-server.ts'
import { asIs, folderWith, withFolder } from './keys.ts'
import { type Pages, pack } from './pages.ts'
import { PROJECT } from './processes.ts'
import { publicKeysIn } from './rotation-engine.ts'

interface Surroundings {
  github: GitHubServer
  pages: Pages
  /** PEM of the authority of the pages. */
  ca: string
  now: () => number
}

/** What becomes of a pull request: the publisher's own checks, people who take their time, and a deployment. */
export interface PublisherCi {
  /** What is due by now is done. */
  step: () => Promise<void>
  /** Kids that were deployed last. */
  live: () => readonly string[]
  /** A pull request is open, or a deployment is to come, or there was one within the last two hours. */
  isBusy: () => boolean
}

/** Milliseconds from a pull request to its merge, and from there to the deployment. */
const MERGED_AFTER = 10 * 60_000
const DEPLOYED_AFTER = 5 * 60_000
/** Seconds for which an edge goes on with what it has. */
const STALE_EDGE = 300

const templates = readTemplates(join(PROJECT, 'site'))

/** What is in the default branch is deployed when this returns. Each pull request must pass `keys policy`. */
export function publisherCi({ github, pages, ca, now }: Surroundings): PublisherCi {
  const seen = new Map<number, number>()
  let waiting: { sha: string; due: number } | null = null
  let live: readonly string[] = []
  let deployedAt = now()
  let nth = 0
  const deploy = (sha: string): void => {
    const artifact = withFolder(github.git.files('main'), folder => {
      const place = join(folder, 'keys-pipeline')
      const settings = readSettings(join(place, 'publisher.yaml'), asIs)
      const out = join(folder, 'out')
      build({ keys: join(place, 'keys'), out, settings, templates, commit: sha, show: asIs })
      return pack(out, { includeHiddenFiles: true })
    })
    pages.deploy(artifact, { staleEdge: STALE_EDGE })
    live = publicKeysIn(github.git.files('main')).map(({ jwk }) => jwk.kid)
    deployedAt = now()
    const created_at = `${new Date(deployedAt).toISOString().slice(0, 19)}Z`
    github.deployments.unshift({
      ...{ id: ++nth, sha, environment: 'github-pages' },
      statuses: [{ state: 'success', created_at }],
    })
  }
  const main = (): string => github.git.refs.get('heads/main') ?? ''
  const judge = async (head: string): Promise<void> => {
    const folder = folderWith({ ...github.git.files(head), 'ca.pem': ca })
    const findings = await policy(folder, { github, now })
    if (findings.length > 0) throw new Error(`${head}: ${JSON.stringify(findings)}`)
  }
  deploy(main())
  return {
    live: () => live,
    isBusy: () =>
      waiting !== null ||
      now() - deployedAt < 2 * 60 * 60_000 ||
      github.pulls.some(({ state }) => state === 'open'),
    step: async () => {
      if (waiting !== null && waiting.due <= now()) {
        deploy(waiting.sha)
        waiting = null
      }
      for (const pull of github.pulls.filter(({ state }) => state === 'open')) {
        const since = seen.get(pull.number) ?? now()
        seen.set(pull.number, since)
        const tip = github.git.refs.get(`heads/${pull.head}`) ?? ''
        // A branch must be up to date to be merged, and one publication is made at a time.
        if (now() - since < MERGED_AFTER || waiting !== null) continue
        if (!github.git.history(tip).includes(main())) continue
        await judge(pull.head)
        github.git.refs.set('heads/main', tip)
        Object.assign(pull, { state: 'closed', merged_at: new Date(now()).toISOString() })
        waiting = { sha: tip, due: now() + DEPLOYED_AFTER }
      }
    },
  }
}

/** `keys policy`, as the workflow runs it; the findings. */
async function policy(
  folder: string,
  { github, now }: Pick<Surroundings, 'github' | 'now'>,
): Promise<readonly Told[]> {
  const findings: Told[] = []
  const nothing = (): void => {}
  const program = new Command()
  policyCommand(program, {
    ...{ print: nothing, note: nothing, printJson: nothing, notice: nothing },
    ...{ onStop: nothing, onReopen: nothing, every: () => nothing },
    fail: found => void findings.push(...found),
    github: { token: 'a-token', baseUrl: github.url },
    ...{ path: asIs, show: asIs, home: folder, project: folder },
    ...{ now, elapsed: () => performance.now() },
  })
  const place = join(folder, 'keys-pipeline')
  await program.parseAsync(
    [
      ...['policy', '--keys', join(place, 'keys'), '--settings', join(place, 'publisher.yaml')],
      ...['--repository', REPOSITORY, '--ca', join(folder, 'ca.pem')],
      // Of a workflow in which these tests run.
      ...['--output', join(folder, 'output'), '--summary', join(folder, 'summary')],
    ],
    { from: 'user' },
  )
  return findings
}
