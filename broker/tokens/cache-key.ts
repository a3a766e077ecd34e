import { hash } from 'node:crypto'
import type { Upstream } from '../upstream/upstream.ts'

/** Made once: neither an upstream nor a list of scopes is ever changed, and a config has the same ones for each request. */
const MADE = new WeakMap<readonly string[], { upstream: Upstream; key: string }>()

/**
 * The name under which a token is kept: what the EHR would grant differently for, and nothing else. A profile whose
 * scopes are fixed by the app has one token per client ID. Encoded as JSON, so that no two tuples run together.
 */
export function cacheKey(upstream: Upstream, scopes: readonly string[]): string {
  // A table for each upstream would be 400 bytes; a list that several upstreams have is made anew where they alternate.
  const made = MADE.get(scopes)
  if (made?.upstream === upstream) return made.key
  const key = keyOf(upstream, scopes)
  MADE.set(scopes, { upstream, key })
  return key
}

function keyOf(upstream: Upstream, scopes: readonly string[]): string {
  const { tokenEndpoint, clientId, profileName, environment, alg, assertionAudience, profile } =
    upstream
  const granted = profile.scopes === 'fixed-by-app' ? [] : [...new Set(scopes)].sort()
  const settings = [
    tokenEndpoint,
    clientId,
    profileName,
    environment,
    alg,
    assertionAudience?.value ?? null,
  ]
  return hash('sha256', JSON.stringify([settings, granted]), 'hex')
}

/** One token serves two upstreams that differ in name alone. */
export const isShared = (one: Upstream, other: Upstream): boolean =>
  cacheKey(one, one.scopes) === cacheKey(other, one.scopes)
