import { hash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { Compile } from 'typebox/schema'
import type { Complaint } from './config-rules.ts'
import { type ConfigFile, ConfigSchema } from './config-schema.ts'
import { formFaults, openSource, type Placed, placeIn, type Source } from './config-source.ts'
import { BrokerError } from './errors.ts'
import { readUpstreamFolder, type UpstreamFolder } from './upstream-folder.ts'

/** The files of a config as one, each of them in its form. */
export interface ConfigFiles {
  file: ConfigFile
  /** SHA-256 of the file, or of all files. */
  generation: string
  /** When the config file last changed, in milliseconds since the epoch. */
  changed: number
  /** The file, and the folder of upstreams. */
  sources: readonly string[]
  /** The complaint with the file and the line it is about. */
  place: (complaint: Complaint) => Placed
  /** A path that stands at that place, made absolute: it is relative to the file it stands in. */
  pathAt: (at: string, given: string) => string
}

const schema = Compile(ConfigSchema)

/** The config file with the folder of upstreams that it may name, or everything that is wrong with their form. */
export function openConfigFiles(path: string): ConfigFiles | Placed[] {
  let main: Source
  let changed: number
  try {
    changed = statSync(path).mtimeMs
    main = openSource(path, readFileSync(path, 'utf8'))
  } catch (error) {
    const message = `cannot be read (${(error as NodeJS.ErrnoException).code})`
    return [{ at: '/', message, file: path, line: null }]
  }
  const folder = openFolder(main)
  const unformed = [...mainFaults(main), ...folder.complaints]
  if (unformed.length > 0) return unformed
  return {
    file: withFolder(main.value as MainFile, folder),
    generation: generationOf(main, folder),
    changed,
    sources: [resolve(path), ...folderOf(main)],
    place: ({ at, message }) => {
      const [source, within] = findIn(main, folder, at)
      return placeIn(source, { at: within, message })
    },
    pathAt: (at, given) => resolve(dirname(findIn(main, folder, at)[0].file), given),
  }
}

type MainFile = Omit<ConfigFile, 'upstreams'> & Partial<Pick<ConfigFile, 'upstreams'>>

function mainFaults(main: Source): Placed[] {
  const faults = formFaults(main, schema)
  if (faults.length > 0) return faults.map(each => placeIn(main, each))
  const { upstreams, upstreamFolder } = main.value as MainFile
  if (upstreams !== undefined || upstreamFolder !== undefined) return []
  return [placeIn(main, { at: '/', message: 'has neither upstreams nor an upstreamFolder' })]
}

/** The folder is looked into whatever is wrong with the file that names it. */
function openFolder(main: Source): UpstreamFolder {
  const { upstreamFolder: named, upstreams } = (main.value ?? {}) as Record<string, unknown>
  if (typeof named !== 'string' || named === '') return { upstreams: new Map(), complaints: [] }
  try {
    const found = readUpstreamFolder(resolve(dirname(main.file), named))
    const twice = [...found.upstreams]
      .filter(([id]) => Object.hasOwn(upstreams ?? {}, id))
      .map(([, { source }]) =>
        placeIn(source, { at: '/', message: 'is an upstream of the config file already' }),
      )
    return { ...found, complaints: [...found.complaints, ...twice] }
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error
    const message = `cannot be read (${error.facts['reason']})`
    const complaint = placeIn(main, { at: '/upstreamFolder', message })
    return { upstreams: new Map(), complaints: [complaint] }
  }
}

function folderOf({ file, value }: Source): string[] {
  const { upstreamFolder } = value as MainFile
  return upstreamFolder === undefined ? [] : [resolve(dirname(file), upstreamFolder)]
}

const withFolder = (file: MainFile, { upstreams }: UpstreamFolder): ConfigFile => ({
  ...file,
  upstreams: {
    ...file.upstreams,
    ...Object.fromEntries([...upstreams].map(([id, { upstream }]) => [id, upstream])),
  },
})

function generationOf({ text }: Source, { upstreams }: UpstreamFolder): string {
  const main = hash('sha256', text, 'hex')
  if (upstreams.size === 0) return main
  const others = [...upstreams].map(([id, { source }]) => [id, hash('sha256', source.text, 'hex')])
  return hash('sha256', JSON.stringify([main, ...others]), 'hex')
}

/** The file and the settings of a place in the whole: an upstream's in its own file, if it has one. */
function findIn(main: Source, { upstreams }: UpstreamFolder, at: string): [Source, string] {
  const [, , id = '', ...rest] = at.split('/')
  const own = at.startsWith('/upstreams/') ? upstreams.get(id) : undefined
  return own ? [own.source, `/${rest.join('/')}`] : [main, at]
}
