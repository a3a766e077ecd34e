import { hung, span } from '../../keys-pipeline/words.ts'
import type { Cause } from '../diagnosis/diagnose.ts'
import type { Facts, OursSeen, SetSeen } from '../diagnosis/facts.ts'

const TITLE = 18

/** For a terminal of 100 columns: what was seen, then each likely cause with what to do. `at` is ISO 8601, UTC. */
export function diagnosisReport(facts: Facts, causes: readonly Cause[], at: string): string {
  const { upstream } = facts
  const { id, profileName, environment, clientId } = upstream
  return [
    ...hung('', `${id}: ${profileName}, ${environment}, client ID ${clientId}`, 0),
    `as seen from here, ${at.slice(0, 16).replace('T', ' ')} UTC`,
    '',
    ...seen(facts).flatMap(([title, text]) => hung(title, text, TITLE)),
    '',
    ...(causes.length > 0 ? named(causes) : [withoutCause(facts)]),
    ...(facts.set.state === 'no_url' && !isHealthy(facts, causes) ? unseen(upstream) : []),
  ].join('\n')
}

/** Whether there is nothing to be done. */
export const isHealthy = ({ token }: Facts, causes: readonly Cause[]): boolean =>
  token.outcome !== 'refused' && causes.length === 0

const unseen = ({ environment }: Facts['upstream']): string[] =>
  hung(
    '',
    `Faults of the key set cannot be seen until keys.${environment}.jwksUrl is in the config: the URL that is registered.`,
    0,
  )

function withoutCause({ token }: Facts): string {
  if (token.outcome === 'granted') return 'Nothing is wrong.'
  if (token.outcome === 'not_asked') return 'Nothing is wrong that can be seen without a token.'
  return `No cause is known for ${token.code}: broker/README.md says what the code means.`
}

const WHO: Readonly<Record<Cause['who'], string>> = {
  us: 'we must act',
  hospital: 'the hospital must act',
  portal: 'to be done in the vendor’s portal',
}

const CERTAINTY: Readonly<Record<Cause['certainty'], string>> = {
  seen: 'the fault was seen',
  likely: 'likely',
  possible: 'possible',
}

const named = (causes: readonly Cause[]): string[] => [
  causes.length === 1 ? 'Cause' : 'Likely causes, in order',
  ...causes.flatMap(({ code, means, because, fix, who, source, certainty }, at) => [
    `${at + 1}. ${code} (${CERTAINTY[certainty]}; ${WHO[who]})`,
    ...hung('   what', means, 8),
    ...hung('   why', because, 8),
    ...hung('   do', fix, 8),
    ...hung('   see', source, 8),
  ]),
]

type Line = [title: string, text: string]

function seen(facts: Facts): Line[] {
  const { upstream, key, skew, namedEndpoint, fhir, hasGateway } = facts
  const { tokenEndpoint, assertionAudience } = upstream
  return [
    ['token', tokenLine(facts)],
    ['signing key', key === null ? 'none' : `${key.alg}, kid ${key.kid}`],
    ['key set', setLine(facts.set, upstream.environment)],
    ['audience', assertionAudience?.value ?? 'the token endpoint, as it should be'],
    ['token endpoint', tokenEndpoint],
    ['  by the EHR', namedLine(namedEndpoint, tokenEndpoint)],
    ['clock', clockLine(skew)],
    ['worked before', pastLine(facts)],
    ['other upstreams', othersLine(facts)],
    ...(hasGateway
      ? [['gateway', 'one says that it is between us and the EHR (Via)'] as Line]
      : []),
    ...(fhir.metadata ? [['/metadata', answered(fhir.metadata.status)] as Line] : []),
    ...(fhir.patient ? [['Patient', answered(fhir.patient.status)] as Line] : []),
  ]
}

const answered = (status: number): string => (status === 0 ? 'no answer' : `status ${status}`)

function tokenLine({ token }: Facts): string {
  if (token.outcome === 'granted') return 'given'
  if (token.outcome === 'not_asked') return 'not asked for'
  const more = [token.status, token.reason].filter(each => each !== null)
  return `refused: ${token.code}${more.length > 0 ? ` (${more.join(', ')})` : ''}`
}

const OURS: Readonly<Record<OursSeen['state'], string>> = {
  there: 'the signing key is there',
  absent: 'the signing key is not there',
  without_kid: 'the signing key is there without a kid',
  other_kid: 'the signing key is there under another kid',
  other_key: 'another key has its kid',
  other_alg: 'the signing key is there for another alg',
  unreadable: 'its kid names what is no readable key',
  twice: 'its kid is there more than once',
}

function setLine(set: SetSeen, environment: string): string {
  if (set.state === 'no_url') return `not looked at: the config has no keys.${environment}.jwksUrl`
  if (set.state !== 'key_set') return `not to be had: ${set.state}`
  const changed = set.age === null ? '' : `; changed ${span(set.age)} ago`
  return `${set.keys} ${set.keys === 1 ? 'key' : 'keys'}: ${OURS[set.ours.state]}${changed}`
}

function namedLine(named: string | null, configured: string): string {
  if (named === null) return 'its SMART configuration names none'
  return named === configured ? 'the same' : named
}

function clockLine(skew: number | null): string {
  if (skew === null) return 'the EHR does not tell its own'
  if (Math.abs(skew) <= 1) return 'as the EHR’s'
  return `the EHR’s is ${span(Math.abs(skew))} ${skew > 0 ? 'ahead of' : 'behind'} ours`
}

function pastLine({ past }: Facts): string {
  if (past.worked === null) return 'never, as far back as the audit file goes'
  return `${span(past.worked)} ago, with kid ${past.kid}`
}

function othersLine({ upstream, others }: Facts): string {
  if (others.length === 0) return 'none'
  const alike = others.filter(each => each.clientId === upstream.clientId)
  const rest = others.filter(each => each.clientId !== upstream.clientId)
  const groups = [
    ['with this client ID', alike],
    ['with other client IDs', rest],
  ] as const
  return groups
    .filter(([, group]) => group.length > 0)
    .map(([name, group]) => {
      const count = (works: boolean | null): number =>
        group.filter(each => each.works === works).length
      const unknown = count(null) === 0 ? '' : `, ${count(null)} never asked`
      return `${group.length} ${name} (${count(true)} work, ${count(false)} fail${unknown})`
    })
    .join('; ')
}
