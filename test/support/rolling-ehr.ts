import { BrokerError } from '../../broker/errors.ts'
import type { PresentGrant } from '../../broker/launch/renew.ts'
import type { Presented } from '../../broker/upstream/exchange.ts'
import type { MovedClock } from './clock.ts'

/** The token endpoint of an EHR, as far as refreshing goes. */
export interface RollingEhr {
  present: PresentGrant
  /** The refresh tokens that were shown, in order. */
  shown: string[]
  /** The one that counts. */
  current: string
  /** What the next answer says beside the token; an error is thrown in its place. */
  answers: (Record<string, unknown> | Error)[]
  /** To be waited for before it answers. */
  hold: Promise<unknown> | null
}

/** `rolling`: a new refresh token each time, and a used one is refused, with all that came of it (RFC 9700 §4.14.2). */
export function rollingEhr(
  { clock }: MovedClock,
  mode: 'rolling' | 'plain' = 'rolling',
): RollingEhr {
  let count = 1
  const ehr: RollingEhr = {
    ...{ shown: [], current: 'refresh-1', answers: [], hold: null },
    present: async (_, grant) => {
      const sentAt = clock()
      const token = grant['refresh_token'] ?? ''
      ehr.shown.push(token)
      await ehr.hold
      if (token !== ehr.current) {
        ehr.current = 'none'
        throw new BrokerError('upstream_invalid_grant')
      }
      const answer = ehr.answers.shift() ?? {}
      if (answer instanceof Error) throw answer
      count++
      if (mode === 'rolling') ehr.current = `refresh-${count}`
      const presented: Presented = {
        ...{ accessToken: `access-${count}`, life: 3600, scope: 'openid patient/Patient.read' },
        ...{ kid: 'kid', sentAt },
        body: { ...(mode === 'rolling' && { refresh_token: ehr.current }), ...answer },
      }
      return presented
    },
  }
  return ehr
}
