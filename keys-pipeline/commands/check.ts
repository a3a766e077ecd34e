import { type Command, CommanderError } from 'commander'
import { shown } from '../errors.ts'
import { judgeKeys, judgePaths } from '../pipeline.ts'
import { readList } from '../read.ts'
import { checkSummary, findingsReport } from '../report.ts'
import { optionsIn, type Terminal } from './terminal.ts'

/** `check`: judges the keys folder, or anybody's files, and writes nothing. */
export function checkCommand(program: Command, terminal: Terminal): void {
  const { print, printJson, path, show } = terminal
  const options = optionsIn(terminal)
  program
    .command('check')
    .description('judge the keys folder, or any files and folders, and write nothing')
    .argument(
      '[paths...]',
      'key files, JWKS files and folders (recursively); none: the keys folder',
    )
    .option(
      '--files-from <file>',
      'read more paths from a file, one a line or NUL-separated; - is standard input',
    )
    .addOption(options.keys())
    .addOption(options.json())
    .action((paths: string[], given: { keys: string; json?: true; filesFrom?: string }) => {
      const isLint = paths.length > 0 || given.filesFrom !== undefined
      const named = [
        ...paths,
        ...(given.filesFrom === undefined ? [] : listFrom(given.filesFrom, path)),
      ]
      const { findings, files, keys } = isLint
        ? judgePaths(named.map(path), show)
        : judgeKeys(given.keys, show)
      if (given.json) printJson({ findings, files, keys })
      else {
        if (findings.length > 0) print(findingsReport(findings))
        print(checkSummary({ findings, files, keys }))
      }
      if (findings.length > 0) terminal.fail(findings)
    })
}

function listFrom(file: string, path: (given: string) => string): string[] {
  const refuse = (why: string) =>
    new CommanderError(2, 'usage', `error: --files-from ${shown(file)} ${why}`)
  let list: string[] | null
  try {
    list = readList(file === '-' ? 0 : path(file))
  } catch {
    throw refuse('cannot be read')
  }
  if (list === null) throw refuse('is a private key, not a list of paths')
  return list
}
