import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { finding, PipelineError } from './errors.ts'
import type { Show } from './pipeline.ts'
import type { Site } from './render.ts'

/** The built site from its folder, checked against its own list: a half or a foreign file is never served. */
export function readSite(folder: string, show: Show): Site {
  const damaged = (message: string) =>
    new PipelineError(finding('out_damaged', show(folder), message))
  const read = (path: string): string => {
    try {
      return readFileSync(join(folder, path), 'utf8')
    } catch {
      throw damaged(`${path} is missing`)
    }
  }
  const publication = read(PUBLICATION)
  const site = new Map<string, string>()
  for (const [path, sum] of filesOf(publication) ?? []) {
    if (path.split('/').includes('..')) throw damaged(`${path} leads out of the site`)
    const text = read(path)
    if (hash('sha256', text, 'hex') !== sum) throw damaged(`${path} is not what the build wrote`)
    site.set(path, text)
  }
  if (site.size === 0) throw damaged(`${PUBLICATION} lists no files`)
  return site.set(PUBLICATION, publication)
}

const PUBLICATION = 'publication.json'

/** Path and hash of each file; null where it is not a list of those. */
function filesOf(publication: string): [string, unknown][] | null {
  try {
    const { files } = JSON.parse(publication)
    return typeof files === 'object' && files !== null ? Object.entries(files) : null
  } catch {
    return null
  }
}
