import { secretHash } from '../../../broker/access/secrets.ts'
import type { ConfigFile } from '../../../broker/config-schema.ts'
import type { Chance } from '../../support/chance.ts'
import { type Right, secondPolicy, type Wish } from '../../support/second-policy.ts'
import type { Hospital } from './ehrs.ts'

/** What operators change while the brokers run. */
interface State {
  /** Whether the service `guest` has its grant at `brief`. */
  isGuest: boolean
  /** Of the service `rotating`: the version of its secret, and whether the one before still works. */
  version: number
  keepsOld: boolean
}

export interface Policies {
  /** The part of a config that all brokers have alike. */
  file: () => Pick<ConfigFile, 'upstreams' | 'services'>
  /** The number of the policy that was written last. */
  written: () => number
  /** Changes a grant or a secret. */
  change: () => void
  /** What each policy between these gives, the one after the other. */
  rights: (from: number, to: number, wish: Wish) => (Right | null)[]
  /** The secret that the service has now; one that it has no more, or never had. */
  secret: (service: string) => string
  wrongSecret: (service: string) => string
}

export const SERVICES = ['scheduling', 'narrow', 'guest', 'rotating'] as const

/** The policies that the brokers are given, each made from the one before, with a second opinion of them all. */
export function openPolicies(hospitals: readonly Hospital[], chance: Chance): Policies {
  const state: State = { isGuest: true, version: 1, keepsOld: false }
  const opinions: ReturnType<typeof secondPolicy>[] = []
  const file = (): ReturnType<Policies['file']> => fileOf(hospitals, state)
  const know = (): void => {
    opinions.push(secondPolicy(JSON.parse(JSON.stringify(file()))))
  }
  const current = (service: string): string =>
    secretOf(service, service === 'rotating' ? state.version : 1)
  know()
  return {
    file,
    written: () => opinions.length - 1,
    change: () => {
      if (chance.percent(50)) state.isGuest = !state.isGuest
      else if (state.keepsOld) state.keepsOld = false
      else {
        state.version++
        state.keepsOld = chance.percent(50)
      }
      know()
    },
    rights: (from, to, wish) => opinions.slice(from, to + 1).map(opinion => opinion(wish)),
    secret: current,
    wrongSecret: service =>
      service === 'rotating' && chance.percent(60)
        ? secretOf(service, state.version - 1)
        : `${current(service)}x`,
  }
}

const secretOf = (service: string, version: number): string => `the-secret-${version}-of-${service}`

function fileOf(hospitals: readonly Hospital[], { isGuest, version, keepsOld }: State) {
  const scopesAt = (id: string): string[] => [
    ...(hospitals.find(each => each.id === id)?.scopes ?? []),
  ]
  const whole = (upstream: string) => ({ upstream, scopes: scopesAt(upstream) })
  const service = (
    name: string,
    grants: { upstream: string; scopes: string[] }[],
    versions = [1],
  ) => [name, { secretSha256: versions.map(each => secretHash(secretOf(name, each))), grants }]
  return {
    upstreams: Object.fromEntries(
      hospitals.map(({ id, epic, clientId, scopes, profile }) => [
        id,
        {
          ...{ fhirBase: epic.fhirBase, tokenEndpoint: epic.tokenUrl, clientId, profile },
          ...{ environment: 'nonprod' as const, alg: 'ES384' as const, scopes: [...scopes] },
          ...{ ca: 'ca.pem', deadline: 4 },
        },
      ]),
    ),
    services: Object.fromEntries([
      service(
        'scheduling',
        hospitals.map(({ id }) => whole(id)),
      ),
      service('narrow', [
        whole('strict'),
        { upstream: 'by-request', scopes: scopesAt('by-request').slice(0, 1) },
      ]),
      service('guest', [whole('twin'), ...(isGuest ? [whole('brief')] : [])]),
      service(
        'rotating',
        [whole('strict'), whole('long')],
        keepsOld ? [version, version - 1] : [version],
      ),
    ]),
  } as Pick<ConfigFile, 'upstreams' | 'services'>
}
