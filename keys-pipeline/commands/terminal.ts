import { join } from 'node:path'
import { Option } from 'commander'
import type { Told } from '../errors.ts'
import { ENVIRONMENTS } from '../key-set.ts'

/** What the commands know of the process; `cli.ts` gives it. */
export interface Terminal {
  print: (text: string) => void
  /** Beside the result: progress, and what a script should not read. */
  note: (text: string) => void
  printJson: (value: unknown) => void
  /** Findings: the exit status becomes 1, and GitHub shows each beside its file. */
  fail: (findings: readonly Told[]) => void
  /** Not a fault, but worth a line of its own; GitHub shows it on the page of the run. */
  notice: (title: string, text: string) => void
  /** How GitHub is asked: GITHUB_TOKEN, and GITHUB_API_URL where it is not api.github.com. */
  github: { token?: string; baseUrl?: string }
  onStop: (stop: () => void) => void
  /** Somebody moved the log away and asks to begin another. */
  onReopen: (reopen: () => void) => void
  /** Work to be done again and again, until what is returned is called. */
  every: (milliseconds: number, work: () => void) => () => void
  /** A path that the user gave, made absolute: relative to where the user stands, not to the project. */
  path: (given: string) => string
  /** The same way back, for people. */
  show: (full: string) => string
  home: string
  /** The checkout. */
  project: string
  now: () => number
  /** Milliseconds; only goes forward. */
  elapsed: () => number
}

/** The options that several commands share. */
export function optionsIn({ project, path }: Terminal) {
  const file = (flags: string, help: string, ...parts: string[]): Option =>
    new Option(flags, help).default(join(project, ...parts), join(...parts)).argParser(path)
  return {
    keys: () =>
      file('--keys <folder>', 'folder with production/ and nonprod/', 'keys-pipeline', 'keys'),
    out: () => file('--out <folder>', 'folder of the built site', 'site', 'out'),
    settings: () =>
      file('--settings <file>', 'URLs and guard times', 'keys-pipeline', 'publisher.yaml'),
    json: () => new Option('--json', 'one JSON document on standard output'),
    environment: () => new Option('--environment <name>', 'which key set').choices(ENVIRONMENTS),
    repository: () =>
      new Option('--repository <owner/name>', 'ask GitHub about it; the token is GITHUB_TOKEN').env(
        'GITHUB_REPOSITORY',
      ),
    output: () =>
      new Option('--output <file>', 'append name=value lines for the next steps')
        .env('GITHUB_OUTPUT')
        .argParser(path),
    role: () =>
      new Option('--role <role>', 'a standby signs only after the signer is revoked')
        .choices(['signer', 'standby'])
        .default('signer'),
  }
}
