import { type Finding, finding } from '../errors.ts'
import type { Environment } from '../key-set.ts'
import type { EnvironmentKeys } from '../pipeline.ts'
import type { KeyChange } from './key-proposal.ts'

/**
 * What a folder says of an environment beyond what is committed: keys that were added in it, and keys that were retired
 * in it. What the folder does not know is no change: a checkout may be behind, and a key that only it lacks was added
 * by somebody else. `proof_missing` for a key that nothing is told of, since nobody could merge it.
 */
export function changesBeyond(
  environment: Environment,
  local: EnvironmentKeys,
  committed: EnvironmentKeys,
): { changes: KeyChange[]; findings: Finding[] } {
  const changes: KeyChange[] = []
  const findings: Finding[] = []
  for (const key of local.keys) {
    const { file, jwk, thumbprint } = key
    const isKnown = committed.keys.some(each => each.thumbprint === thumbprint)
    if (isKnown || committed.lifecycle[thumbprint]?.retired) continue
    const entry = local.lifecycle[thumbprint]
    if (entry?.proof) changes.push({ environment, key, entry })
    else findings.push(finding('proof_missing', file, 'lifecycle.json has no proof of it', jwk.kid))
  }
  for (const key of committed.keys) {
    const retired = local.lifecycle[key.thumbprint]?.retired
    if (retired) changes.push({ environment, key, retired })
  }
  return { changes, findings }
}
