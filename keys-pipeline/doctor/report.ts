import { hung } from '../words.ts'
import { CHECKS } from './checks.ts'
import type { Remark } from './remark.ts'
import type { Taken } from './vendors.ts'

/** What no probe can see, in the order in which it is done. @see ehr-rules: Epic, OAuth 2.0 · App Creation */
export const CHECKLIST: readonly string[] = [
  'The app’s user type is Backend Systems, and it uses OAuth 2.0.',
  'Each API that is called is selected under Incoming APIs: Epic grants the whole list, whatever is asked for.',
  '“Requires Persistent Access” is ticked for a launch app that needs refresh tokens.',
  'The production URL is in the production field, the non-production URL in the other; Epic refuses one for both.',
  'Old static keys are removed from existing downloads, or they win over the URL.',
  'The app is marked ready for production; most fields are frozen from then on.',
  'The client ID is that of the environment: non-production for the sandbox and for hospitals’ tests.',
  'Each organisation has the app downloaded and its keys enabled, with the URL as key source.',
  'The hospital has mapped the production client ID to a background user (else unauthorized_client).',
  'From version May 2026 on the hospital has entered the URL itself (local JKU), or from August 2026 a PEM.',
  'The hospital’s Epic servers may reach the host on port 443: its firewall and proxy pass it.',
  'After a change: wait 60 min for the sandbox, 12 h for a hospital; edit nothing meanwhile.',
  'Where the portal says the URL could not be validated: mend what is bad above, then edit and save again.',
  'Nothing after 48 h: write to Epic, with this report, the client ID, and the time of an attempt.',
]

export interface Examined {
  url: string
  /** Which of the repository’s key sets it was compared with; null for none. */
  environment: string | null
  /** ISO 8601, UTC. */
  at: string
  remarks: readonly Remark[]
  /** What each EHR takes of the set; none where no set was read. */
  vendors: readonly Taken[]
}

/** What GitHub says of the repository that publishes. */
export interface ExaminedRepository {
  /** `owner/name` */
  repository: string
  remarks: readonly Remark[]
}

const TITLE = 16
const MARKS = { good: '✓', warning: '!', bad: '✗' } as const

/** For a terminal of 100 columns: a line where all is good, and where not, why it matters and what to do. */
export function doctorReport({ url, environment, at, remarks, vendors }: Examined): string {
  const compared = environment === null ? '' : `, beside the keys of ${environment}`
  return [
    url,
    `as Epic would see it, ${at.slice(0, 16).replace('T', ' ')} UTC${compared}`,
    '',
    ...remarks.flatMap(lines),
    '',
    ...vendorTable(vendors),
    counted(remarks),
  ].join('\n')
}

export const repositoryReport = ({ repository, remarks }: ExaminedRepository): string =>
  [
    repository,
    'as GitHub shows it to this token',
    '',
    ...remarks.flatMap(lines),
    '',
    counted(remarks),
  ].join('\n')

function counted(remarks: readonly Remark[]): string {
  const count = (level: Remark['level']): number =>
    remarks.filter(each => each.level === level).length
  return `${count('bad')} bad, ${count('warning')} to think about, ${count('good')} good`
}

export const checklistReport = (): string =>
  [
    'What no probe can see:',
    ...CHECKLIST.flatMap((text, at) => hung(`${at + 1}.`.padStart(4), text, 5)),
  ].join('\n')

function vendorTable(vendors: readonly Taken[]): string[] {
  if (vendors.length === 0) return []
  const rows = vendors.flatMap(({ title, takes, of, algs, note }) =>
    hung(
      `${title.padEnd(TITLE)}${`${takes} of ${of}`.padEnd(10)}`,
      `${algs.join(' ')}; ${note}`,
      TITLE + 10,
    ),
  )
  return [
    `${'EHR'.padEnd(TITLE)}${'takes'.padEnd(10)}of which algorithms; and besides`,
    ...rows,
    '',
  ]
}

function lines({ check, level, code, seen, why, fix, source }: Remark): string[] {
  const title = CHECKS[check].title.padEnd(TITLE - 3)
  const said = code === null ? seen : `${code}: ${seen}`
  const first = hung(`${MARKS[level]} ${title}`, said, TITLE)
  if (fix === null) return first
  const more = (word: string, text: string): string[] =>
    hung(`${' '.repeat(TITLE)}${word}`, text, TITLE + 5)
  return [...first, ...more('why', why), ...more('do', fix), ...more('see', source)]
}
