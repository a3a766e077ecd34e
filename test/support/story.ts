import { compileAccess } from '../../broker/access/access.ts'
import { authorise, refuseExcess } from '../../broker/access/authorise.ts'
import { claimedId } from '../../broker/access/credential.ts'
import { openDoor } from '../../broker/access/door.ts'
import { compilePolicy, type Policy } from '../../broker/access/policy.ts'
import type { AuditRecord } from '../../broker/audit.ts'
import type { Clock } from '../../broker/clock.ts'
import type { Config } from '../../broker/config.ts'
import { asBrokerError } from '../../broker/errors.ts'
import { issueToken, type Rooms, type TokenRequest } from '../../broker/issue-token.ts'
import { openKnownRequests } from '../../broker/known-requests.ts'
import { memoryCache } from '../../broker/tokens/cache.ts'
import { obtainWith } from '../../broker/tokens/obtain.ts'
import { direct } from '../../broker/tokens/shared-fetch.ts'
import { singleFlight } from '../../broker/tokens/single-flight.ts'
import { persist } from '../../broker/upstream/attempts.ts'
import { exchangeWith } from '../../broker/upstream/exchange.ts'
import { openGuards } from '../../broker/upstream/guards.ts'
import { openHistory } from '../../broker/upstream/history.ts'
import type { FleetAsk, Outcome } from './fleet-asks.ts'
import type { TellingEhr } from './telling-ehr.ts'
import { unsigned } from './tokens.ts'
import { basic } from './world.ts'

/** The story with its rooms as the assembly hands them over, but for HTTP and the signature. */
export interface Story {
  rooms: Rooms
  take: (config: Config) => void
  /** The decisions that were recorded: granted and refused, by request. */
  decisions: Map<string, AuditRecord['decision']>
}

export function openStory(ehr: TellingEhr, clock: Clock): Story {
  let policy: Policy | undefined
  const decisions: Story['decisions'] = new Map()
  const cache = memoryCache(clock)
  const history = openHistory()
  const chance = () => 0.5
  const wait = async () => {}
  const exchange = exchangeWith({
    heed: async () => {},
    clock,
    newJti: () => 'jti',
    signerFor: ({ alg }) => ({
      ...{ kid: 'kid', alg, thumbprint: 'kid' },
      signJwt: async (header, claims) => unsigned(header, claims),
    }),
    postFor: () => async (url, form) => {
      // As on the wire, the answer comes later than the next requests.
      await new Promise(done => setImmediate(done))
      const text = JSON.stringify(ehr.answer(url, form))
      return { status: 200, type: 'application/json', text, date: null, retryAfter: null }
    },
    ...{ onDate: () => {}, onSigning: () => {}, onAnswer: () => {} },
  })
  const rooms: Rooms = {
    policy: () => {
      if (policy === undefined) throw new Error('no config was taken')
      return policy
    },
    ...openDoor({
      ...{ clock, wait },
      dispatcherTo: () => {
        throw new Error('nobody has a key set that is to be fetched')
      },
    }),
    claimedId,
    authorise: (service, ask, { grantsOf, upstreams, disabledOf }) =>
      authorise(grantsOf(service), ask, upstreams, disabledOf(service)),
    obtain: obtainWith({
      ...{ clock, chance, cache, flights: singleFlight() },
      exchange: persist({
        ...{ clock, chance, wait, history, exchange, guard: openGuards(clock).guard },
        kidFor: () => 'kid',
      }),
      share: direct,
      hasWorked: () => false,
      onRefreshFailed: () => {},
    }),
    refuseExcess,
    audit: {
      record: async ({ request, decision }) => void decisions.set(request, decision),
      close: async () => {},
    },
    ...openKnownRequests(clock, () => rooms.policy()),
    clock,
  }
  return {
    ...{ rooms, decisions },
    take: ({ generation, issuer, services, upstreams, callers, disabled }) => {
      const access = compileAccess(issuer, callers)
      policy = compilePolicy(generation, services, upstreams, access, disabled)
      cache.forgive()
    },
  }
}

/** Told to its end. */
export async function outcomeOf(id: string, ask: FleetAsk, rooms: Rooms): Promise<Outcome> {
  try {
    const request = requestOf(id, ask)
    const known = rooms.recall(request.digest)
    const { address } = request
    const { token } = await issueToken(known ? { id, address, known } : request, rooms)
    return { token: token.accessToken, scope: token.scope }
  } catch (error) {
    return { code: asBrokerError(error).code }
  }
}

function requestOf(id: string, ask: FleetAsk): TokenRequest & { digest: string } {
  const { client, secret, isBasic, resources, audience, scope, minimumTtl } = ask
  const posted = isBasic ? {} : { client_id: client, client_secret: secret }
  return {
    ...{ id, minimumTtl, ask: { resources, audience, scope }, digest: JSON.stringify(ask) },
    address: '192.0.2.7',
    authorization: isBasic ? basic(client, secret) : undefined,
    form: new Map(Object.entries(posted)),
    certificate: () => null,
    fault: null,
  }
}
