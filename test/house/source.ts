import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { parseSync } from 'oxc-parser'
import { PROJECT } from '../support/processes.ts'

/** One import or re-export of one of our files. */
export interface Arrow {
  from: string
  to: string
  /** `import type`, or every name in it is a type: gone when the code runs. */
  isType: boolean
}

/** Every source file of ours, tests apart. */
export const sourceFiles = (): string[] =>
  globSync(['keys-pipeline/**/*.ts', 'broker/**/*.ts'], {
    cwd: PROJECT,
    exclude: ['**/node_modules/**'],
  }).sort()

const textOf = (file: string): string => readFileSync(join(PROJECT, file), 'utf8')

export const linesOf = (file: string): number => textOf(file).trimEnd().split('\n').length

interface Imported {
  specifier: string
  isType: boolean
  names: string[]
}

/** Static and dynamic imports alike, by the parser and not by their looks. */
export function importsOf(file: string): Imported[] {
  const { module } = parseSync(file, textOf(file))
  const isType = (entries: { isType: boolean }[]) =>
    entries.length > 0 && entries.every(entry => entry.isType)
  const imports = module.staticImports.map(each => ({
    specifier: each.moduleRequest.value,
    isType: isType(each.entries),
    names: each.entries.map(entry => entry.importName.name ?? entry.importName.kind),
  }))
  const exports = module.staticExports.flatMap(each =>
    each.entries
      .filter(entry => entry.moduleRequest !== null)
      .map(entry => ({
        specifier: entry.moduleRequest?.value ?? '',
        isType: entry.isType,
        names: [],
      })),
  )
  const dynamic = module.dynamicImports.map(each => ({
    specifier: textOf(file).slice(each.moduleRequest.start + 1, each.moduleRequest.end - 1),
    isType: false,
    names: [],
  }))
  return [...imports, ...exports, ...dynamic]
}

export const arrows = (): Arrow[] =>
  sourceFiles().flatMap(from =>
    importsOf(from)
      .filter(({ specifier }) => specifier.startsWith('.'))
      .map(({ specifier, isType }) => ({
        from,
        to: relative(PROJECT, join(PROJECT, dirname(from), specifier)),
        isType,
      })),
  )

/** The names that a file uses from the outside: globals and imported built-ins, as text after comments are gone. */
export const codeOf = (file: string): string =>
  textOf(file)
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/(^|\s)\/\/.*$/gm, '')
