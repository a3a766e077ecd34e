import { liveSince, readHistory } from '../history.ts'
import type { Environment } from '../key-set.ts'
import { LIFECYCLE_FILE, parseLifecycle } from '../lifecycle.ts'
import type { GitHub } from './client.ts'
import { publicationHistory } from './deployments.ts'
import { gitObjects } from './git-objects.ts'
import { KEYS_FOLDER } from './key-changes.ts'
import { headOfDefaultBranch } from './repository.ts'

/** By thumbprint, milliseconds since the epoch. */
export type Times = Readonly<Record<string, number>>

/**
 * When the keys of an environment were made, as the lifecycle file of the default branch has it; none without the file.
 * Refused: `github_*`, `lifecycle_unreadable`.
 */
export async function madeTimes(github: GitHub, environment: Environment): Promise<Times> {
  const path = `${KEYS_FOLDER}/${environment}/${LIFECYCLE_FILE}`
  const { sha } = await headOfDefaultBranch(github)
  const file = await gitObjects(github).file(sha, path)
  if (file === null) return {}
  const lifecycle = parseLifecycle((await file.read()).toString('utf8'), path)
  return Object.fromEntries(
    Object.entries(lifecycle).map(([thumbprint, { created }]) => [thumbprint, Date.parse(created)]),
  )
}

/**
 * Since when each key of the newest publication has been live at that URL without a break, as the deployments say, as
 * far back as `before` (milliseconds since the epoch) and little further: a later moment than the true one, never an
 * earlier one. Refused: `github_*`.
 */
export async function liveTimes(
  github: GitHub,
  environment: Environment,
  { url, before }: { url: string; before: number },
): Promise<Times> {
  const whole = await readHistory(publicationHistory(github), before)
  const moved = whole.findIndex(({ sets }) => sets[environment].url !== url)
  const history = moved === -1 ? whole : whole.slice(0, moved)
  const keys = history[0]?.sets[environment].keys ?? []
  return Object.fromEntries(
    keys.flatMap(({ thumbprint }) => {
      const since = liveSince(history, environment, thumbprint)
      return since === null ? [] : [[thumbprint, since]]
    }),
  )
}
