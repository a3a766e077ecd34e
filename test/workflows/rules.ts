import { HYGIENE } from './hygiene-rules.ts'
import { PUBLISHING } from './publishing-rules.ts'

/** Every rule, by a short name. */
export const RULES = { ...HYGIENE, ...PUBLISHING }

export type RuleName = keyof typeof RULES
