import type { PublicKey } from './jwk.ts'
import { ENVIRONMENTS, type Environment } from './key-set.ts'
import { openSource } from './pipeline.ts'
import type { SourceFile } from './read.ts'
import { keySetUrl, openSettings } from './settings.ts'

/** One publication as its host recorded it. */
export interface Recorded {
  sha: string
  /** Milliseconds since the epoch: when it had succeeded. */
  since: number
  /** The key files of one environment, as they were at that commit. */
  files: (environment: Environment) => Promise<readonly { path: string; bytes: Buffer }[]>
  /** `publisher.yaml`, as it was at that commit. */
  settings: () => Promise<string>
}

/** What one publication made public. */
export interface Publication {
  sha: string
  since: number
  /** An environment that was not begun has no keys. */
  sets: Record<Environment, { url: string | null; keys: readonly PublicKey[] }>
}

/** A record is read one request after the other, so it is read no further than somebody asks. */
const MOST_PUBLICATIONS = 50

/** Publications, newest first, back to the first that is as old as `before` (milliseconds since the epoch). */
export async function readHistory(
  records: AsyncIterable<Recorded>,
  before: number,
): Promise<Publication[]> {
  const history: Publication[] = []
  for await (const record of records) {
    history.push(await openRecord(record))
    if (record.since <= before || history.length === MOST_PUBLICATIONS) break
  }
  return history
}

/** Since when a key is live without a break; null where the newest publication has it not. Newest first. */
export function liveSince(
  history: readonly Publication[],
  environment: Environment,
  thumbprint: string,
): number | null {
  const holds = ({ sets }: Publication): boolean =>
    sets[environment].keys.some(key => key.thumbprint === thumbprint)
  const gap = history.findIndex(each => !holds(each))
  const run = gap === -1 ? history : history.slice(0, gap)
  return run.at(-1)?.since ?? null
}

async function openRecord(record: Recorded): Promise<Publication> {
  const [production, nonprod] = ENVIRONMENTS
  const settings = openSettings(await record.settings())
  const setOf = async (environment: Environment) => ({
    url: Array.isArray(settings)
      ? null
      : keySetUrl(settings.baseUrl, settings.environments[environment].path),
    keys: (await record.files(environment)).flatMap(each => openSource(sourceOf(each)).keys),
  })
  const { sha, since } = record
  return {
    sha,
    since,
    sets: { production: await setOf(production), nonprod: await setOf(nonprod) },
  }
}

const sourceOf = ({ path, bytes }: { path: string; bytes: Buffer }): SourceFile => ({
  ...{ file: path, folder: '', bytes },
})
