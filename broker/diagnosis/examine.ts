import { asBrokerError, type BrokerError } from '../errors.ts'
import type { Exchange } from '../upstream/exchange.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { type Cause, diagnose } from './diagnose.ts'
import type { Facts, TokenOutcome } from './facts.ts'
import { askFhir, gatherFacts, outcomeOf, type Surroundings } from './gather.ts'

/** What is done beside looking. */
export interface Wish {
  /** Null where no token is to be asked for. */
  exchange: Exchange | null
  /** The id of a Patient to read with the token. */
  patient: string | null
  progress: (step: string) => void
}

export interface Examined {
  facts: Facts
  causes: readonly Cause[]
}

/** One upstream, asked and looked at once, as `diagnose` does it. Nothing of the token stays. */
export async function examine(
  upstream: Upstream,
  around: Surroundings,
  { exchange, patient, progress }: Wish,
): Promise<Examined> {
  if (exchange !== null) progress('asking for a token')
  const { token, outcome } = await ask(upstream, exchange)
  progress('reading /metadata')
  const fhir = await askFhir(upstream, token, patient, around)
  progress('looking at the key set and at the EHR')
  const facts = await gatherFacts(upstream, outcome, around, fhir)
  return { facts, causes: diagnose(facts) }
}

async function ask(
  upstream: Upstream,
  exchange: Exchange | null,
): Promise<{ token: { accessToken: string } | null; outcome: TokenOutcome }> {
  if (exchange === null) return { token: null, outcome: { outcome: 'not_asked' } }
  try {
    const token = await exchange(upstream, upstream.scopes)
    return { token, outcome: outcomeOf(null) }
  } catch (thrown) {
    const error: BrokerError = asBrokerError(thrown)
    return { token: null, outcome: outcomeOf(error) }
  }
}
