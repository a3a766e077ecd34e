import { SignJWT } from 'jose'
import { type CallerKey, readCallerKeys } from '../../broker/caller-keys.ts'
import { ecPair, type Jwk, type Pair, rsaPair } from './keys.ts'

/** Somebody who signs tokens: a service of ours, or the platform that a workload runs on. */
export interface Signs {
  jwk: Jwk
  sign: (claims: object, header?: object) => Promise<string>
}

const signs = (pair: Pair, alg: string, kid: string): Signs => ({
  jwk: { ...pair.publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' },
  sign: (claims, header = {}) =>
    new SignJWT({ ...claims })
      .setProtectedHeader({ alg, kid, ...header } as { alg: string })
      .sign(pair.privateKey),
})

export const rsaSigner = (kid = 'rsa-1', which = 0): Signs => signs(rsaPair(which), 'RS256', kid)
export const ecSigner = (kid = 'ec-1', which = 0): Signs =>
  signs(ecPair('P-256', which), 'ES256', kid)

export const setOf = (...all: Signs[]): string =>
  JSON.stringify({ keys: all.map(each => each.jwk) })

export const keysOf = (...all: Signs[]): CallerKey[] => readCallerKeys(setOf(...all)) ?? []

const encode = (part: unknown): string => Buffer.from(JSON.stringify(part)).toString('base64url')

/** A token of any make, with whatever stands in for its signature. */
export const unsigned = (header: object, claims: unknown, signature = 'AAAA'): string =>
  `${encode(header)}.${encode(claims)}.${signature}`
