import {
  type Dirent,
  lstatSync,
  readdirSync,
  readFileSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { type Finding, finding, PipelineError } from './errors.ts'
import { privateInText } from './private-material.ts'
import type { Templates } from './render.ts'

export interface SourceFile {
  /** The path as the user gave it, or below the folder that was named. */
  file: string
  /** The folder it lies in: single-key files of one folder are one set. */
  folder: string
  bytes: Buffer
}

export interface Sources {
  files: SourceFile[]
  findings: Finding[]
}

type Show = (path: string) => string

/** Bytes. A set of 100 RSA-4096 keys with a certificate chain each is about 600 KB. */
export const MOST_BYTES = 1024 * 1024

const KEY_FILE = /\.(pem|crt|cer|der|pub|jwk|jwks|json|key|p12|pfx|p8)$/i
const NO_KEY_FILE = 'not a kind of file that holds a key'
/** Files that tools put beside keys and that no one publishes. */
const BESIDE = new Set([
  '.gitkeep',
  '.gitignore',
  '.gitattributes',
  '.DS_Store',
  'README.md',
  'lifecycle.json',
])
/** Folders that hold no keys of ours; a run that was killed may leave one of the last kind. */
const NOT_ENTERED = /^(\.git|node_modules|\.lockstep-.*)$/

/** Every file that the paths name, folders recursively, each once, in a fixed order. Refused: `file_*`, `link_outside`. */
export function readPaths(paths: readonly string[], show: Show): Sources {
  const reader = new Reader(show)
  for (const path of paths) {
    reader.guarded(path, () => {
      if (statSync(path).isDirectory()) reader.folder(path, realpathSync(path))
      else reader.file(path, dirname(path))
    })
  }
  return reader.found
}

/** One environment's folder, which holds key files and nothing else. A folder that is missing holds nothing. */
export function readEnvironmentFolder(folder: string, show: Show): Sources {
  const reader = new Reader(show)
  reader.guarded(folder, () => {
    const stat = lstatSync(folder, { throwIfNoEntry: false })
    if (stat === undefined) return
    if (stat.isSymbolicLink() && !staysInside(folder, realpathSync(dirname(folder))))
      reader.refuseLink(folder)
    else if (statSync(folder).isDirectory()) reader.folder(folder, realpathSync(folder))
    else reader.complain('file_not_regular', folder, 'not a folder')
  })
  return reader.found
}

/** The same of files that lie in no folder here, such as those of a commit, each with its whole path. */
export function sortEnvironmentFiles(files: readonly { path: string; bytes: Buffer }[]): Sources {
  const found: Sources = { files: [], findings: [] }
  for (const { path, bytes } of [...files].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    const [name = '', ...folders] = path.split('/').reverse()
    if (BESIDE.has(name) || folders.some(each => NOT_ENTERED.test(each))) continue
    if (KEY_FILE.test(name)) found.files.push({ file: path, folder: dirname(path), bytes })
    else found.findings.push(finding('file_unknown', path, NO_KEY_FILE))
  }
  return found
}

/**
 * What lies in the keys folder beside the environments: nothing that is not passed over belongs there. Each entry is a
 * finding, and the files in it are read for what they may give away.
 */
export function readBeside(root: string, environments: readonly string[], show: Show): Sources {
  const [top, within] = [new Reader(show), new Reader(show)]
  const entries = statSync(root, { throwIfNoEntry: false })?.isDirectory()
    ? readdirSync(root).sort()
    : []
  for (const name of entries) {
    if (environments.includes(name) || BESIDE.has(name) || NOT_ENTERED.test(name)) continue
    const path = join(root, name)
    top.complain(
      'file_unknown',
      path,
      'lies beside the environments, where nothing is published from',
    )
    within.guarded(path, () => {
      const stat = lstatSync(path)
      if (stat.isDirectory()) within.folder(path, realpathSync(path))
      else if (stat.isFile() && KEY_FILE.test(name)) within.file(path, root)
    })
  }
  return { files: within.found.files, findings: top.found.findings }
}

class Reader {
  readonly found: Sources = { files: [], findings: [] }
  readonly #show: Show
  readonly #seen = new Set<string>()

  constructor(show: Show) {
    this.#show = show
  }

  complain(code: Finding['code'], path: string, message: string): void {
    this.found.findings.push(finding(code, this.#show(path), message))
  }

  refuseLink(path: string): void {
    this.complain('link_outside', path, 'a link that leads out of the folder, or nowhere')
  }

  /** What cannot be read is a finding, and the rest is read all the same. */
  guarded(path: string, work: () => void): void {
    try {
      work()
    } catch (error) {
      // The system's own word (ENOENT, EACCES); its message repeats the path.
      this.complain(
        'file_unreadable',
        path,
        (error as NodeJS.ErrnoException).code ?? 'cannot be read',
      )
    }
  }

  folder(folder: string, root: string): void {
    const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) =>
      a.name < b.name ? -1 : 1,
    )
    for (const entry of entries) {
      const path = join(folder, entry.name)
      this.guarded(path, () => this.#entry(entry, path, folder, root))
    }
  }

  file(path: string, folder: string): void {
    const real = realpathSync(path)
    if (this.#seen.has(real)) return
    this.#seen.add(real)
    const stat = statSync(path)
    if (!stat.isFile()) this.complain('file_not_regular', path, 'not a plain file')
    else if (stat.size > MOST_BYTES) this.complain('file_oversize', path, oversize(stat))
    else this.found.files.push({ file: this.#show(path), folder, bytes: readFileSync(path) })
  }

  #entry(entry: Dirent, path: string, folder: string, root: string): void {
    if (entry.isSymbolicLink() && !staysInside(path, root)) this.refuseLink(path)
    else if (statSync(path).isDirectory()) {
      // A link to a folder inside the root would be read twice, or for ever.
      if (!NOT_ENTERED.test(entry.name) && !entry.isSymbolicLink()) this.folder(path, root)
    } else if (BESIDE.has(entry.name)) return
    else if (KEY_FILE.test(entry.name)) this.file(path, folder)
    else this.complain('file_unknown', path, NO_KEY_FILE)
  }
}

/**
 * A small plain file as text; null where there is none. A link, a pipe or a device could lead anywhere or never end.
 *
 * @throws the system's error, or one with the code of what is wrong with the file
 */
export function readPlainFile(path: string): string | null {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return null
  if (!stat.isFile())
    throw Object.assign(new Error('not a plain file'), { code: 'not a plain file' })
  if (stat.size > MOST_BYTES) throw Object.assign(new Error('oversize'), { code: oversize(stat) })
  return readFileSync(path, 'utf8')
}

const oversize = ({ size }: Stats): string => `${size} bytes; at most ${MOST_BYTES}`

/**
 * Paths from a file or from standard input (0), one a line, or NUL-separated as `find -print0` writes them; null where
 * it is not a list but a key, whose lines would be repeated as paths that do not exist.
 */
export function readList(file: string | 0): string[] | null {
  const text = readFileSync(file, 'utf8')
  if (privateInText(text).length > 0) return null
  return text.split(text.includes('\0') ? '\0' : /\r?\n/).filter(line => line !== '')
}

/** PEM of certificate authorities. Refused: `file_unreadable`. */
export function readAuthority(file: string, show: Show): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    throw new PipelineError(finding('file_unreadable', show(file), 'cannot be read'))
  }
}

/** The templates of the published pages. */
export function readTemplates(folder: string): Templates {
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
  return {
    index: read('index.html'),
    notFound: read('404.html'),
    style: read('style.css'),
    script: read('copy.js'),
  }
}

function staysInside(path: string, root: string): boolean {
  try {
    const inside = relative(root, realpathSync(path))
    return inside !== '' && inside !== '..' && !inside.startsWith(`..${sep}`)
  } catch {
    return false
  }
}
