import { span } from '../../keys-pipeline/words.ts'
import type { Facts, Fits } from './facts.ts'
import {
  failedWith,
  failing,
  HOUR,
  isRefused,
  neighbours,
  siblings,
  weigh,
  working,
} from './outcome.ts'

/** Hosts of vendors' public sandboxes: always non-production, and no hospital's firewall stands before them. */
const SANDBOX_HOSTS: ReadonlySet<string> = new Set(['fhir.epic.com'])

/** Seconds until an edit of the record has reached the server that checks it. @see Epic, App Creation and Sync */
const SYNC = { sandbox: HOUR, hospital: 12 * HOUR }

const isSandbox = ({ upstream }: Facts): boolean =>
  SANDBOX_HOSTS.has(new URL(upstream.tokenEndpoint).hostname)

const syncTime = (facts: Facts): number => (isSandbox(facts) ? SYNC.sandbox : SYNC.hospital)

/** How long it has been set up, at least: since the config changed, or since it was first asked. */
function age({ configAge, past }: Facts): number | null {
  if (configAge === null) return past.tried
  return Math.max(configAge, past.tried ?? 0)
}

/** Our side shows no fault: nothing but what is registered is left. It is judged by what others do. */
interface Standing {
  isNew: boolean
  alike: { work: number; fail: number }
}

function standing(facts: Facts): Standing | null {
  if (!isRefused(facts)) return null
  const alike = siblings(facts)
  return {
    isNew: facts.past.worked === null,
    alike: { work: working(alike), fail: failing(alike) },
  }
}

export const notSyncedYet: Fits = facts => {
  const at = standing(facts)
  if (at === null) return null
  const known = age(facts)
  const wait = syncTime(facts)
  if (known === null) return at.isNew ? weigh(45, 'nobody knows how long it has been set up') : null
  if (!at.isNew) return known < wait ? weigh(35, `the config changed ${span(known)} ago`) : null
  const because = `it has never worked, and is known here for ${span(known)} at least`
  if (known < wait) return weigh(70, `${because}; a record takes up to ${span(wait)}`)
  return known < 4 * wait ? weigh(30, because) : null
}

export const clientIdWrong: Fits = facts => {
  const at = standing(facts)
  if (at === null || !at.isNew) return null
  const { clientId } = facts.upstream
  if (at.alike.work > 0)
    return weigh(20, `client ID ${clientId} works at ${at.alike.work} other upstreams`)
  const known = working(neighbours(facts))
  return known > 0
    ? weigh(
        67,
        `client ID ${clientId} has never worked, while ${known} other clients of ours work here`,
      )
    : weigh(62, `client ID ${clientId} has never worked anywhere`)
}

/** Words of a URL that say which environment it is of. */
const WORDS: Readonly<Record<string, 'production' | 'nonprod'>> = {
  ...{ prd: 'production', prod: 'production', production: 'production' },
  ...{ nonprod: 'nonprod', nonprd: 'nonprod', test: 'nonprod', tst: 'nonprod', dev: 'nonprod' },
  ...{ sandbox: 'nonprod', poc: 'nonprod', uat: 'nonprod', stage: 'nonprod', staging: 'nonprod' },
}

/** The environment that a URL says it is of; null where it does not, or says both. */
function environmentIn(url: string): 'production' | 'nonprod' | null {
  const said = url.toLowerCase().split(/[^a-z0-9]+/)
  const named = new Set(said.filter(word => Object.hasOwn(WORDS, word)).map(word => WORDS[word]))
  const [only, ...more] = named
  return only !== undefined && more.length === 0 ? only : null
}

export const clientOfOtherEnvironment: Fits = facts => {
  const at = standing(facts)
  if (at === null || !at.isNew) return null
  const { clientId, environment, tokenEndpoint } = facts.upstream
  if (isSandbox(facts) && environment === 'production')
    return weigh(90, 'this is a public sandbox, which takes non-production client IDs only')
  const across = facts.others.filter(
    each => each.clientId === clientId && each.environment !== environment,
  )
  if (across.length > 0) {
    const [first] = across
    return weigh(
      working(across) > 0 ? 88 : 82,
      `${first?.id} has the same client ID in the other environment, and no ID is good in both`,
    )
  }
  const said = environmentIn(tokenEndpoint)
  return said !== null && said !== environment
    ? weigh(76, `the URL looks like ${said}, and the config says ${environment}`)
    : null
}

const FROM_HERE = 'it has never worked; the set can be read from here'

export const ehrCannotFetchSet: Fits = facts => {
  const at = standing(facts)
  if (at === null || isSandbox(facts)) return null
  const { past, key } = facts
  if (!at.isNew) {
    return past.kid === key?.kid
      ? weigh(56, 'it worked before; what it keeps of the set runs out after 29 h at the latest')
      : weigh(61, 'it worked with another key, and must fetch the set again for this one')
  }
  if (at.alike.work > 0)
    return weigh(61, `the same client ID and key work at ${at.alike.work} other upstreams`)
  return at.alike.fail > 0
    ? weigh(40, 'it has never worked; nor have others with this client ID')
    : weigh(50, facts.set.state === 'key_set' ? FROM_HERE : 'it has never worked')
}

export const notSetUpHere: Fits = facts => {
  const at = standing(facts)
  if (at === null) return null
  if (!at.isNew)
    return weigh(
      facts.past.kid === facts.key?.kid ? 58 : 45,
      'it worked before; an upgrade of its Epic asks it to enter our URL itself',
    )
  if (at.alike.work > 0)
    return weigh(56, `the client ID works at ${at.alike.work} other upstreams, and never did here`)
  return at.alike.fail > 0
    ? weigh(58, `no upstream with this client ID works (${at.alike.fail + 1} were asked)`)
    : weigh(45, 'it has never worked')
}

export const userNotMapped: Fits = facts =>
  failedWith(facts, 'upstream_unauthorized_client')
    ? weigh(95, 'it answers unauthorized_client')
    : null

export const flakyRefusal: Fits = facts => {
  const { past, key } = facts
  const isOne = isRefused(facts) && !failedWith(facts, 'upstream_invalid_request')
  if (!isOne || past.worked === null || past.kid !== key?.kid) return null
  const because = `it gave a token ${span(past.worked)} ago to the same key`
  // Epic's flaky 400 comes alone: a row of them is no flake.
  return past.worked < HOUR && past.failures <= 2 ? weigh(70, because) : weigh(25, because)
}

export const scopeNotSelected: Fits = ({ token, fhir: { patient } }) =>
  token.outcome === 'granted' && patient?.lacks === 'scope'
    ? weigh(90, `a token was had, and the Patient answers ${patient.status} insufficient_scope`)
    : null

export const userMayNot: Fits = ({ token, fhir: { patient } }) =>
  token.outcome === 'granted' && patient?.lacks === 'user'
    ? weigh(85, `a token was had, and the Patient answers ${patient.status}`)
    : null

export const fhirBaseWrong: Fits = ({ token, fhir: { metadata } }) => {
  if (token.outcome !== 'granted' || metadata === null || metadata.status === 200) return null
  return metadata.status === 0
    ? weigh(80, 'a token was had, and the FHIR base does not answer')
    : weigh(82, `a token was had, and /metadata answers ${metadata.status}`)
}
