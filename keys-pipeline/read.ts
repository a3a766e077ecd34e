import { type Dirent, lstatSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { type Finding, finding } from './errors.ts'
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

/** Bytes. A set of 100 RSA-4096 keys with a certificate chain each is about 600 KB. */
export const MOST_BYTES = 1024 * 1024

const KEY_FILE = /\.(pem|crt|cer|der|pub|jwk|jwks|json|key|p12|pfx|p8)$/i
/** Files that tools put beside keys and that no one publishes. */
const BESIDE = new Set([
  '.gitkeep',
  '.gitignore',
  '.gitattributes',
  '.DS_Store',
  'README.md',
  'lifecycle.json',
])
const NOT_ENTERED = new Set(['.git', 'node_modules'])

/** Every file that the paths name, folders recursively, in a fixed order. Refused: `file_*`, `link_outside`. */
export function readPaths(paths: readonly string[], show: (path: string) => string): Sources {
  const found: Sources = { files: [], findings: [] }
  for (const path of paths) {
    const stat = statSync(path, { throwIfNoEntry: false })
    if (stat === undefined)
      found.findings.push(finding('file_unreadable', show(path), 'no such file or folder'))
    else if (stat.isDirectory()) readFolder(path, realpathSync(path), show, found)
    else readFile(path, join(path, '..'), show, found)
  }
  return found
}

/** One environment's folder, which holds key files and nothing else. A folder that is missing holds nothing. */
export function readEnvironmentFolder(folder: string, show: (path: string) => string): Sources {
  const found: Sources = { files: [], findings: [] }
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    readFolder(folder, realpathSync(folder), show, found)
  }
  return found
}

/** Paths from a file or from standard input (0), one a line, or NUL-separated as `find -print0` writes them. */
export function readList(file: string | 0): string[] {
  const text = readFileSync(file, 'utf8')
  return text.split(text.includes('\0') ? '\0' : /\r?\n/).filter(line => line !== '')
}

/** The templates of the published pages. */
export function readTemplates(folder: string): Templates {
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
  return { index: read('index.html'), notFound: read('404.html'), style: read('style.css') }
}

function readFolder(
  folder: string,
  root: string,
  show: (path: string) => string,
  found: Sources,
): void {
  let entries: Dirent[]
  try {
    entries = readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    found.findings.push(finding('file_unreadable', show(folder), reason(error)))
    return
  }
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name)
    if (entry.isSymbolicLink() && !staysInside(path, root)) {
      found.findings.push(
        finding('link_outside', show(path), 'a link that leads out of the folder, or nowhere'),
      )
    } else if (statSync(path).isDirectory()) {
      // A link to a folder inside the root would be read twice, or for ever.
      if (!NOT_ENTERED.has(entry.name) && !entry.isSymbolicLink())
        readFolder(path, root, show, found)
    } else if (!BESIDE.has(entry.name)) {
      if (KEY_FILE.test(entry.name)) readFile(path, folder, show, found)
      else
        found.findings.push(
          finding('file_unknown', show(path), 'not a kind of file that holds a key'),
        )
    }
  }
}

function readFile(
  path: string,
  folder: string,
  show: (path: string) => string,
  found: Sources,
): void {
  const file = show(path)
  try {
    const stat = statSync(path)
    if (!stat.isFile()) found.findings.push(finding('file_not_regular', file, 'not a plain file'))
    else if (stat.size > MOST_BYTES) {
      found.findings.push(
        finding('file_oversize', file, `${stat.size} bytes; at most ${MOST_BYTES}`),
      )
    } else found.files.push({ file, folder, bytes: readFileSync(path) })
  } catch (error) {
    found.findings.push(finding('file_unreadable', file, reason(error)))
  }
}

function staysInside(path: string, root: string): boolean {
  try {
    lstatSync(path)
    const inside = relative(root, realpathSync(path))
    return inside !== '' && inside !== '..' && !inside.startsWith(`..${sep}`)
  } catch {
    return false
  }
}

/** The system's own word (ENOENT, EACCES); its message repeats the path. */
const reason = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? 'cannot be read'
