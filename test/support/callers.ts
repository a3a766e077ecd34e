import type { Access, CallerRules } from '../../broker/access/access.ts'
import { compileAccess } from '../../broker/access/access.ts'
import type { Presented } from '../../broker/access/credential.ts'
import { asBrokerError } from '../../broker/errors.ts'

export const ISSUER = 'https://broker.example.com'
export const ADDRESS = '192.0.2.7'

/** A request as the door sees it: nothing presented but what is given. */
export const presented = (
  parts: Partial<Omit<Presented, 'form'>> & { form?: object } = {},
): Presented => ({
  address: ADDRESS,
  authorization: undefined,
  certificate: () => null,
  ...parts,
  form: new Map(Object.entries(parts.form ?? {})),
})

export const callerRules = (parts: Partial<CallerRules> = {}): CallerRules => ({
  secretSha256: [],
  keys: null,
  workloads: [],
  certificates: [],
  rateLimit: null,
  concurrency: null,
  ...parts,
})

export const accessOf = (callers: Record<string, Partial<CallerRules>>): Access =>
  compileAccess(
    ISSUER,
    new Map(Object.entries(callers).map(([id, parts]) => [id, callerRules(parts)])),
  )

/** The code of what is refused; `ok` where nothing is. */
export async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work()
    return 'ok'
  } catch (error) {
    return asBrokerError(error).code
  }
}
