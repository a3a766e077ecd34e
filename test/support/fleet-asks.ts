import type { Chance } from './chance.ts'
import type { Generation, ServiceFacts } from './fleet.ts'
import type { Right, Wish } from './second-policy.ts'
import { readTold, type TellingEhr, TOKEN_LIFE } from './telling-ehr.ts'

/** What a service asks, as the second policy reads it. */
export interface FleetAsk extends Wish {
  isBasic: boolean
  minimumTtl: number
}

export type Outcome = { token: string; scope: string } | { code: string }

/** An ask that somebody might send: most are good, and the others wrong in one thing or in several. */
export function anyAsk({ file, services, menus }: Generation, chance: Chance): FleetAsk {
  const service = chance.pick(services)
  const ids = Object.keys(file.upstreams)
  const isOwn = service.reach.length > 0 && chance.percent(92)
  const target = chance.pick(isOwn ? service.reach : ids)
  const menu = menus.get(chance.percent(95) ? target : chance.pick(ids)) ?? []
  return {
    ...credentialsOf(service, services, chance),
    ...targetOf(target, file.upstreams, chance),
    scope: chance.percent(35) ? undefined : chance.pick(menu),
    minimumTtl: chance.percent(97) ? 0 : chance.pick([60, 600, 3500, TOKEN_LIFE + 1]),
    isBasic: chance.percent(70),
  }
}

function credentialsOf(
  { id, secret, oldSecret }: ServiceFacts,
  all: readonly ServiceFacts[],
  chance: Chance,
): { client: string; secret: string } {
  if (chance.percent(95)) return { client: id, secret }
  const { secret: others } = chance.pick(all)
  return chance.pick([
    { client: id, secret: oldSecret },
    { client: id, secret: others },
    { client: id, secret: `${secret}x` },
    { client: 'nobody', secret },
    { client: 'constructor', secret },
  ])
}

function targetOf(
  target: string,
  upstreams: Generation['file']['upstreams'],
  chance: Chance,
): Pick<Wish, 'resources' | 'audience'> {
  const resource = spelt(upstreams[target]?.fhirBase ?? '', chance)
  const other = upstreams[chance.pick(Object.keys(upstreams))]?.fhirBase ?? ''
  const roll = chance.below(100)
  if (roll < 45) return { audience: target, resources: [] }
  if (roll < 80) return { audience: undefined, resources: [resource] }
  if (roll < 90) return { audience: target, resources: [resource] }
  if (roll < 95) return { audience: undefined, resources: [] }
  return chance.pick([
    { audience: target, resources: [other] },
    { audience: target, resources: [resource, resource] },
    { audience: undefined, resources: [resource, other] },
    { audience: target.toUpperCase(), resources: [] },
    { audience: undefined, resources: [`${resource}x`] },
    { audience: 'nowhere', resources: [resource] },
  ])
}

/** The same URL, as people write it. */
function spelt(url: string, chance: Chance): string {
  if (chance.percent(70)) return url
  return chance.pick([
    url.endsWith('/') ? url.slice(0, -1) : `${url}/`,
    url.replace('http://', 'HTTP://'),
    url.replace('/FHIR/', '/./FHIR/'),
  ])
}

/**
 * What is wrong with an outcome by the second opinion; null where nothing is. A refusal of what may be had is wrong
 * too, unless the EHR grants beyond it, tokens do not live that long, or the scope is no list.
 */
export function complaintOf(
  may: Right | null,
  { minimumTtl, scope = '' }: FleetAsk,
  outcome: Outcome,
  ehr: TellingEhr,
): string | null {
  if ('code' in outcome) {
    if (may === null) return null
    const tenant = Number(/\/t(\d+)\//.exec(may.fhirBase)?.[1])
    const always = ehr.always(tenant, may.clientId)
    const isBeyond = always.length > 0 && !may.isGranted(always.join(' '))
    if (outcome.code === 'scope_exceeds_grant' && isBeyond) return null
    if (outcome.code === 'minimum_ttl_too_long' && minimumTtl > TOKEN_LIFE) return null
    if (outcome.code === 'scope_malformed' && /\t| {2}/.test(scope)) return null
    return `refused what may be had: ${outcome.code}`
  }
  const told = readTold(outcome.token)
  if (may === null) return 'given where nothing may be had'
  if (!may.fhirBase.includes(`/t${told.tenant}/`)) return 'given a token of another EHR'
  if (told.clientId !== may.clientId) return 'given a token of another client ID'
  if (!may.isGranted(told.scopes.join(' '))) return 'given a token with scopes beyond the grant'
  return may.isGranted(outcome.scope) ? null : 'told of scopes beyond the grant'
}
