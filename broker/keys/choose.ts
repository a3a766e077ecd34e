import type { Alg } from '../../keys-pipeline/algorithms.ts'
import type { Environment } from '../../keys-pipeline/key-set.ts'
import type { SigningKey } from './signing-keys.ts'

export interface KeyRing {
  keys: readonly SigningKey[]
  signWith: readonly string[]
}

/** The key that signs in a line (one environment, one alg), or why there is none. */
export function chooseKey(
  environment: Environment,
  alg: Alg,
  { keys, signWith }: KeyRing,
): SigningKey | string {
  const line = keys.filter(key => key.alg === alg)
  const [only, ...others] = line
  if (!only) return `there is no ${alg} key for ${environment}`
  if (others.length === 0) return only
  const named = line.filter(key => signWith.includes(key.kid))
  const [chosen, ...more] = named
  if (chosen && more.length === 0) return chosen
  const kids = line.map(key => key.kid).join(', ')
  return `there are ${line.length} ${alg} keys for ${environment} (${kids}): name the one that signs in signWith`
}

/** What is wrong with the kids that are named, where there are keys at all. */
export function strangeKids({ keys, signWith }: KeyRing): string | null {
  const strange = signWith.filter(kid => !keys.some(key => key.kid === kid))
  if (keys.length === 0 || strange.length === 0) return null
  return `names no key of the folder: ${strange.join(', ')}`
}
