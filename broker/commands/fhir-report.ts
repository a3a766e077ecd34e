import { shown } from '../../keys-pipeline/errors.ts'
import { asciiJson } from '../../keys-pipeline/front.ts'
import { hung } from '../../keys-pipeline/words.ts'
import type { FhirChecked } from '../check-fhir.ts'
import { CAUSES } from '../diagnosis/causes.ts'

/** Why a FHIR server says no, and what to do. */
export interface WhyNot {
  because: string
  fix: string
  /** What the server itself says: of its challenge and of its OperationOutcome. */
  said: readonly string[]
}

type Answer = Pick<FhirChecked, 'status' | 'resource' | 'challenge' | 'renewed'>

/** Null where it did not say no. */
export function whyNot(answer: Answer): WhyNot | null {
  if (answer.status < 400) return null
  return { ...explain(answer), said: saidIn(answer) }
}

/** The resource as JSON, or why there is none. For a terminal of 100 columns. */
export function checkReport(checked: FhirChecked): string {
  const why = whyNot(checked)
  const { status, url, resource } = checked
  if (why === null)
    return resource === null ? `✓ ${status}, without a resource` : asciiJson(resource, 2)
  return [
    `✗ ${status} from ${shown(url)}`,
    ...hung('why', why.because, TITLE),
    ...hung('do', why.fix, TITLE),
    ...why.said.flatMap(each => hung('it says', shown(each), TITLE)),
  ].join('\n')
}

const TITLE = 10

function explain(answer: Answer): Pick<WhyNot, 'because' | 'fix'> {
  const { status, challenge, resource } = answer
  if (status === 401) return unauthorized(answer)
  if (challenge?.error === 'insufficient_scope' || (status === 403 && challenge?.scope))
    return cause('scope_not_selected')
  if (status === 403) return cause('user_may_not')
  if (status === 404 && resource === null) return cause('fhir_base_wrong')
  const [because, fix] = STATUSES[status] ?? (status >= 500 ? OUT_OF_ORDER : OTHER)
  return { because, fix }
}

const cause = (code: 'scope_not_selected' | 'user_may_not' | 'fhir_base_wrong') => ({
  because: CAUSES[code].means,
  fix: CAUSES[code].fix,
})

const unauthorized = ({ renewed, challenge }: Answer): Pick<WhyNot, 'because' | 'fix'> => ({
  because:
    challenge?.error === 'invalid_token'
      ? 'The FHIR server no longer takes the token that its own EHR gave (invalid_token).'
      : 'The FHIR server does not take the token, and names no reason that OAuth knows.',
  fix: renewed
    ? 'Ask again: the broker has had the token replaced.'
    : 'Ask again in a minute; if it stays so, check that fhirBase and tokenEndpoint are of one EHR.',
})

type Told = readonly [because: string, fix: string]

const STATUSES: Readonly<Record<number, Told>> = {
  400: [
    'The FHIR server finds fault with the request.',
    'Read what it says; many servers want a patient in every search.',
  ],
  404: ['There is no such resource.', 'Check the id: it is unique within one hospital alone.'],
  405: ['The FHIR server does not do this to this type.', 'Look into its metadata.'],
  406: ['The FHIR server does not speak FHIR in JSON.', 'Ask the hospital.'],
  409: ['Somebody else has changed it.', 'Read it again, and write what you then have.'],
  410: ['The resource has been deleted.', 'Read an older version: Type/ID/_history/VERSION.'],
  412: ['Somebody else has changed it.', 'Read it again, and write what you then have.'],
  415: ['The FHIR server takes no FHIR in JSON.', 'Ask the hospital.'],
  422: ['The resource breaks a rule of the FHIR server.', 'Read what it says, and mend the file.'],
  429: ['The FHIR server asks us to slow down.', 'Wait a minute.'],
}
const OUT_OF_ORDER: Told = ['The FHIR server is out of order.', 'Wait, and ask again.']
const OTHER: Told = ['The FHIR server refuses the request.', 'Read what it says.']

/** Lines; a server that has more to say is not read to the end. */
const MOST_LINES = 20

function saidIn({ challenge, resource }: Answer): string[] {
  const { issue } = Object(resource) as { issue?: unknown }
  const issues = resource?.resourceType === 'OperationOutcome' && Array.isArray(issue) ? issue : []
  return [...(challenge === null ? [] : [challengeLine(challenge)]), ...issues.map(issueLine)]
    .filter(line => line !== '')
    .slice(0, MOST_LINES)
}

const challengeLine = ({ error, description, scope }: NonNullable<Answer['challenge']>): string =>
  [error, description, scope === null ? null : `scope ${scope}`]
    .filter(each => each !== null)
    .join(': ')

function issueLine(issue: unknown): string {
  const { severity, code, details, diagnostics } = Object(issue) as Record<string, unknown>
  const { text } = Object(details) as { text?: unknown }
  const words = [severity, code, text, diagnostics === text ? undefined : diagnostics]
  return words
    .filter(each => typeof each === 'string' && each !== '')
    .join(': ')
    .slice(0, 1000)
}
