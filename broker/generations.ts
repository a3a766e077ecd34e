import { compileAccess } from './access/access.ts'
import { compilePolicy, type Policy } from './access/policy.ts'
import type { Config } from './config.ts'

/** One config with its policy. */
export function generationOf(config: Config): { config: Config; policy: Policy } {
  const { generation, services, upstreams, disabled } = config
  const access = compileAccess(config.issuer, config.callers)
  const policy = compilePolicy(generation, services, upstreams, access, disabled)
  return { config, policy }
}
