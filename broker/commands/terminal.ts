import { shown } from '../../keys-pipeline/errors.ts'
import type { BrokerError } from '../errors.ts'

/** What the operator's commands know of the process; `cli.ts` gives it. */
export interface Terminal {
  print: (text: string) => void
  /** Beside the result: progress, and what a script should not read. */
  note: (text: string) => void
  printJson: (value: unknown) => void
  /** The exit status becomes 1; why has been said. */
  fail: () => void
  /** A path that the user gave, made absolute: relative to where the user stands, not to the project. */
  path: (given: string) => string
  /** The same way back, for people. */
  show: (full: string) => string
  home: string
  /** So many random bytes. */
  entropy: (bytes: number) => Buffer
  /** Milliseconds; only goes forward. */
  elapsed: () => number
  wait: (milliseconds: number) => Promise<void>
  /** Milliseconds since the epoch. */
  now: () => number
}

/** An error in one line for the operator: the sentence, the code, and what else is known. */
export function told({ message, code, facts }: BrokerError, show = (path: string) => path): string {
  const known = Object.entries(facts).map(
    ([name, value]) => `; ${name} ${name === 'file' ? show(`${value}`) : value}`,
  )
  return shown(`${message} (${code}${known.join('')})`)
}
