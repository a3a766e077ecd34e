import { createHash } from 'node:crypto'
import type { ConfigFile } from '../../broker/config-schema.ts'
import { type Chance, chanceFrom } from './chance.ts'
import { anyScope, menuOf, scopeLists, someOf } from './fleet-scopes.ts'

export interface Generation {
  file: ConfigFile
  services: readonly ServiceFacts[]
  /** By upstream: texts that services send as `scope` there, good ones and others. */
  menus: ReadonlyMap<string, readonly string[]>
}

export interface ServiceFacts {
  id: string
  /** What it authenticates with, and what it did before the last rotation. */
  secret: string
  oldSecret: string
  /** Upstreams that its grants name. */
  reach: readonly string[]
}

export interface FleetPlan {
  seed: number
  /** Of the EHR that plays all hospitals. */
  origin: string
  services: number
  upstreams: number
  /** Of a hundred upstreams, how many are switched off. */
  off: number
}

type UpstreamFile = ConfigFile['upstreams'][string]

interface Hospital {
  tenant: number
  pool: number
  clientId: string
  region: string
  profile: UpstreamFile['profile']
  isOn: boolean
  /** Scopes beyond those of the pool. */
  own: string[]
}

interface Line {
  at: { upstream: number } | { pool: number; region: string | null }
  /** Null where the app fixes them: all that the pool declares. */
  scopes: string[] | null
}

interface Service {
  isOn: boolean
  version: number
  keepsOld: boolean
  mode: 'enforce' | 'audit'
  lines: Line[]
}

/** Hospitals are in pools of one scope list, since a grant by labels must suit all that bear them. */
export const POOLS = 30
/** The first ones are of EHRs that grant what the app has, whatever is asked. */
const FIXED_POOLS = 10
const REGIONS = ['north', 'south', 'east'] as const
const BY_REQUEST = ['smart', 'oracle-health', 'athenahealth', 'medplum', 'modmed'] as const

export const isFixed = (tenant: number): boolean => tenant % 5 < 2

/** A client ID names the pool whose scope list the app has. */
export const poolOf = (clientId: string): number => Number(clientId.split('-')[1])

/** Configs of many hospitals and services, each made from the one before by what operators change. */
export function openFleet(plan: FleetPlan): { next: () => Generation } {
  const chance = chanceFrom(plan.seed)
  const lists = scopeLists(plan.seed, POOLS)
  const menus = lists.map(list => menuOf(list, chance))
  const hospitals: Hospital[] = []
  for (let at = 0; at < plan.upstreams; at++) hospitals.push(hospital(at, plan, chance, hospitals))
  const isNarrow = lists.map(() => false)
  const poolAt = (upstream: number): number => hospitals[upstream]?.pool ?? 0
  const service = (): Service => ({
    ...{ isOn: chance.percent(95), version: 1, keepsOld: false },
    mode: chance.percent(8) ? 'audit' : 'enforce',
    lines: linesOf(hospitals, lists, chance),
  })
  const services = Array.from({ length: plan.services }, service)
  const declared = (pool: number): string[] => {
    const list = lists[pool] ?? []
    return isNarrow[pool] && list.length > 1 ? list.slice(0, -1) : list
  }
  const write = (): Generation => ({
    file: {
      ...{ issuer: 'http://127.0.0.1:8400', listen: { port: 0 }, audit: { file: 'audit.ndjson' } },
      keys: { nonprod: { folder: 'keys' } },
      upstreams: Object.fromEntries(
        hospitals.map((each, at) => [`u${at}`, upstreamFile(each, declared(each.pool), plan)]),
      ),
      services: Object.fromEntries(
        services.flatMap((each, at) => {
          const scopesOf = ({ at, scopes }: Line) =>
            scopes ?? declared('pool' in at ? at.pool : poolAt(at.upstream))
          return each.isOn ? [[`s${at}`, serviceFile(each, at, scopesOf)]] : []
        }),
      ),
    },
    services: services.map((each, at) => ({
      id: `s${at}`,
      secret: secretOf(at, each.version),
      oldSecret: secretOf(at, each.version - 1),
      reach: hospitals.flatMap((one, index) =>
        each.lines.some(line => selects(line, one, index)) ? [`u${index}`] : [],
      ),
    })),
    menus: new Map(hospitals.map(({ pool }, at) => [`u${at}`, menus[pool] ?? []])),
  })
  const change = (): void => {
    for (const each of hospitals) changeHospital(each, plan, chance)
    const pool = chance.below(FIXED_POOLS)
    isNarrow[pool] = !isNarrow[pool]
    for (const each of services) {
      each.isOn = chance.percent(each.isOn ? 97 : 50)
      if (chance.percent(7)) each.keepsOld = !each.keepsOld
      if (chance.percent(5)) each.version++
      if (chance.percent(10)) each.mode = chance.percent(8) ? 'audit' : 'enforce'
      if (chance.percent(15)) each.lines = linesOf(hospitals, lists, chance)
      for (const { at } of each.lines)
        if (
          'pool' in at &&
          !hospitals.some(one => one.pool === at.pool && one.region === at.region)
        )
          at.region = null
    }
  }
  let begun = false
  return {
    next: () => {
      if (begun) change()
      begun = true
      return write()
    },
  }
}

/** Every fifth is of an EHR that another one has already: under another client ID, or under the same. */
function hospital(
  at: number,
  { upstreams, off }: FleetPlan,
  chance: Chance,
  others: Hospital[],
): Hospital {
  const twin = at > upstreams * 0.8 ? chance.pick(others) : undefined
  const tenant = twin?.tenant ?? at
  const first = isFixed(tenant) ? 0 : FIXED_POOLS
  const past = isFixed(tenant) ? FIXED_POOLS : POOLS
  const isDouble = twin !== undefined && chance.percent(30)
  const pool = isDouble ? twin.pool : first + chance.below(past - first)
  const named = !isFixed(tenant) && chance.percent(30) ? chance.below(FIXED_POOLS) : pool
  return {
    tenant,
    pool,
    clientId: isDouble ? twin.clientId : `app-${named}-${chance.below(3)}`,
    region: chance.pick(REGIONS),
    profile: isFixed(tenant) ? 'epic' : chance.pick(BY_REQUEST),
    isOn: !chance.percent(off),
    own: isFixed(tenant) || chance.percent(70) ? [] : [anyScope(chance)],
  }
}

function changeHospital(each: Hospital, { off }: FleetPlan, chance: Chance): void {
  if (chance.percent(10)) each.isOn = !chance.percent(off)
  if (chance.percent(5)) each.region = chance.pick(REGIONS)
  if (chance.percent(3)) each.clientId = each.clientId.replace(/\d$/, `${chance.below(3)}`)
  if (chance.percent(2) && !isFixed(each.tenant)) each.profile = chance.pick(BY_REQUEST)
}

function linesOf(hospitals: Hospital[], lists: string[][], chance: Chance): Line[] {
  const named = new Set<number>()
  return Array.from({ length: 1 + chance.below(5) }, (): Line => {
    const upstream = chance.below(hospitals.length)
    const { pool, region, tenant, own } = hospitals[upstream] as Hospital
    const isAlone = chance.percent(60) && !named.has(upstream)
    if (isAlone) named.add(upstream)
    const all = [...(lists[pool] ?? []), ...(isAlone ? own : [])]
    const scopes = chance.percent(40) ? [...new Set(all)] : someOf(all, chance)
    return {
      at: isAlone ? { upstream } : { pool, region: chance.percent(80) ? region : null },
      scopes: isFixed(tenant) ? null : scopes,
    }
  })
}

function selects({ at }: Line, { pool, region }: Hospital, index: number): boolean {
  if ('upstream' in at) return at.upstream === index
  return at.pool === pool && (at.region === null || at.region === region)
}

function upstreamFile(each: Hospital, declared: string[], { origin }: FleetPlan): UpstreamFile {
  const { tenant, pool, clientId, region, profile, isOn, own } = each
  const slash = tenant % 7 === 0 ? '/' : ''
  return {
    ...(isOn ? {} : { enabled: false, reason: 'a test' }),
    fhirBase: `${origin}/t${tenant}/FHIR/R4${slash}`,
    tokenEndpoint: `${origin}/t${tenant}/token`,
    ...{ clientId, profile, environment: 'nonprod', alg: 'ES384' },
    labels: { pool: `p${pool}`, region },
    scopes: [...new Set([...declared, ...own])],
  }
}

const secretOf = (service: number, version: number): string => `secret-${service}-${version}`

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

function serviceFile(
  { version, keepsOld, mode, lines }: Service,
  at: number,
  scopesOf: (line: Line) => string[],
): ConfigFile['services'][string] {
  const versions = keepsOld ? [version, version - 1] : [version]
  return {
    secretSha256: versions.map(each => sha256(secretOf(at, each))),
    ...(mode === 'audit' && { mode }),
    grants: lines.map(line => ({
      ...('upstream' in line.at
        ? { upstream: `u${line.at.upstream}` }
        : {
            labels: {
              pool: `p${line.at.pool}`,
              ...(line.at.region !== null && { region: line.at.region }),
            },
          }),
      scopes: scopesOf(line),
    })),
  }
}
