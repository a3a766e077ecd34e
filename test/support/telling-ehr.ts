import { isFixed, POOLS, poolOf } from './fleet.ts'
import { scopeLists } from './fleet-scopes.ts'

/** What the EHR knows of a token that it issued, which stands in the token. */
export interface Told {
  tenant: number
  clientId: string
  scopes: string[]
  /** Which of its tokens it is. */
  nth: number
}

/** Seconds. */
export const TOKEN_LIFE = 3600

/** An EHR of many tenants that writes into each token what it is good for. */
export interface TellingEhr {
  /** A token response, as the token endpoint of the URL answers the form. */
  answer: (url: string, form: URLSearchParams) => Record<string, unknown>
  /** Scopes that the tenant grants the client whatever it asks. */
  always: (tenant: number, clientId: string) => readonly string[]
  issued: () => number
}

export function tellingEhr(seed: number): TellingEhr {
  const lists = scopeLists(seed, POOLS)
  let nth = 0
  const always: TellingEhr['always'] = (tenant, clientId) =>
    isFixed(tenant) || isGenerous(tenant) ? (lists[poolOf(clientId)] ?? []) : []
  return {
    always,
    issued: () => nth,
    answer: (url, form) => {
      const tenant = Number(/\/t(\d+)\/token$/.exec(url)?.[1])
      const clientId = issuerOf(form.get('client_assertion') ?? '')
      const asked = (form.get('scope') ?? '').split(' ').sort()
      const scopes = granted(tenant, asked, always(tenant, clientId))
      const told: Told = { tenant, clientId, scopes, nth: nth++ }
      return {
        access_token: Buffer.from(JSON.stringify(told)).toString('base64url'),
        token_type: 'Bearer',
        expires_in: TOKEN_LIFE,
        ...(isSilent(tenant) ? {} : { scope: written(tenant, scopes) }),
      }
    },
  }
}

export const readTold = (token: string): Told =>
  JSON.parse(Buffer.from(token, 'base64url').toString('utf8'))

/** Grants more than it is asked for. */
const isGenerous = (tenant: number): boolean => tenant % 35 === 4
/** Does not say what it grants where that is what was asked (RFC 6749 §5.1). */
const isSilent = (tenant: number): boolean => tenant % 35 === 9

function granted(tenant: number, asked: string[], always: readonly string[]): string[] {
  if (isFixed(tenant)) return [...always]
  if (tenant % 35 === 14 && asked.length > 1) return asked.slice(0, -1)
  return [...new Set([...asked, ...always])]
}

/** Some write scopes in another order, or as Epic does: `Patient.Read`. */
function written(tenant: number, scopes: readonly string[]): string {
  if (tenant % 7 === 1) return scopes.toReversed().join('  ')
  if (tenant % 7 !== 2) return scopes.join(' ')
  return scopes
    .map(each =>
      each.replace(/^system\/(\w+)\.([a-z])/, (_, kind, verb) => `${kind}.${verb.toUpperCase()}`),
    )
    .join(' ')
}

/** Believed: whether assertions are good is for the local Epic to judge. */
const issuerOf = (assertion: string): string =>
  JSON.parse(Buffer.from(assertion.split('.')[1] ?? '', 'base64url').toString('utf8')).iss
