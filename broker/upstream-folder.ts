import { join } from 'node:path'
import { Compile } from 'typebox/schema'
import { UPSTREAM_ID, type UpstreamFile, UpstreamSchema } from './config-schema.ts'
import { formFaults, openSource, type Placed, placeIn, type Source } from './config-source.ts'
import { BrokerError } from './errors.ts'
import { namesIn, readText } from './files.ts'

/** The upstreams of a folder by id, with the file that each stands in, and what is wrong with the others. */
export interface UpstreamFolder {
  upstreams: ReadonlyMap<string, { upstream: UpstreamFile; source: Source }>
  complaints: readonly Placed[]
}

/** Bytes. An upstream with 500 scopes is 20 KB. */
export const MOST_UPSTREAM_BYTES = 64 * 1024

const schema = Compile(UpstreamSchema)
const FILE = /^(.+)\.yaml$/
const ID = new RegExp(UPSTREAM_ID)
/** What tools and people put beside, and what begins with a dot: the record of `import`, a ConfigMap's `..data`. */
const BESIDE = /^(\..*|README\.md)$/

/**
 * One upstream a file, `<id>.yaml`, so that a change of one hospital is a change of one file. Any other file is a
 * complaint: a hospital in `mercy.yml` would quietly be missing.
 *
 * Refused: `file_unreadable`, where the folder itself cannot be read.
 */
export function readUpstreamFolder(folder: string): UpstreamFolder {
  const names = namesIn(folder)
  if (names === null)
    throw new BrokerError('file_unreadable', { file: folder, reason: 'there is no such folder' })
  const upstreams = new Map<string, { upstream: UpstreamFile; source: Source }>()
  const complaints: Placed[] = []
  for (const name of names.filter(each => !BESIDE.test(each))) {
    const file = join(folder, name)
    const id = FILE.exec(name)?.[1] ?? ''
    if (!ID.test(id)) {
      const message =
        'is not named as an upstream’s file is: <id>.yaml, the id in A-Z a-z 0-9 . _ -'
      complaints.push({ at: '/', message, file, line: null })
      continue
    }
    const source = open(file)
    if ('message' in source) {
      complaints.push(source)
      continue
    }
    const faults = formFaults(source, schema)
    complaints.push(...faults.map(each => placeIn(source, each)))
    if (faults.length === 0) upstreams.set(id, { upstream: source.value as UpstreamFile, source })
  }
  return { upstreams, complaints }
}

function open(file: string): Source | Placed {
  try {
    return openSource(file, readText(file, MOST_UPSTREAM_BYTES))
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error
    const message = `cannot be read (${error.facts['reason']})`
    return { at: '/', message, file, line: null }
  }
}
