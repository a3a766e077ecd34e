import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { describe, expect, test } from 'vitest'
import { compileAccess } from '../../broker/access/access.ts'
import { authorise, refuseExcess } from '../../broker/access/authorise.ts'
import { claimedId } from '../../broker/access/credential.ts'
import { openDoor } from '../../broker/access/door.ts'
import { compilePolicy, type Policy } from '../../broker/access/policy.ts'
import type { AuditRecord } from '../../broker/audit.ts'
import { readConfig } from '../../broker/config.ts'
import type { ConfigFile } from '../../broker/config-schema.ts'
import { asBrokerError } from '../../broker/errors.ts'
import { issueToken, type Rooms, type TokenRequest } from '../../broker/issue-token.ts'
import { bindSigners, loadSigners, signerOf } from '../../broker/signers.ts'
import { memoryCache } from '../../broker/tokens/cache.ts'
import type { FetchPorts } from '../../broker/tokens/fetch.ts'
import { obtainWith } from '../../broker/tokens/obtain.ts'
import { direct } from '../../broker/tokens/shared-fetch.ts'
import { singleFlight } from '../../broker/tokens/single-flight.ts'
import { exchangeWith } from '../../broker/upstream/exchange.ts'
import { type Chance, chanceFrom } from '../support/chance.ts'
import { movedClock } from '../support/clock.ts'
import { folderWith } from '../support/keys.ts'
import {
  changed,
  clientIn,
  faultIn,
  grantedBy,
  randomConfig,
  randomWish,
} from '../support/random-policy.ts'
import { type RawConfig, type Right, secondPolicy, type Wish } from '../support/second-policy.ts'
import { basic, makeKey } from '../support/world.ts'

const SEED = Number(process.env['LOCKSTEP_SEED'])
const LONG = process.env['LOCKSTEP_LONG'] === '1'
/** Requests at once: a reload falls among those that are under way. */
const BATCH = 100

interface Generation {
  policy: Policy
  judge: (wish: Wish) => Right | null
}

/** The broker's rooms as the assembly puts them together, with a fake EHR behind, and a reload when it is asked for. */
function broker(chance: Chance, sabotage: (rooms: Rooms) => Partial<Rooms> = () => ({})) {
  const clock = movedClock()
  const folder = folderWith({})
  makeKey(folder, 'ES384', clock)
  const path = join(folder, 'broker.yaml')
  let raw: ConfigFile & RawConfig = randomConfig(chance, 'https://ehr.example.com')
  const judges = new Map<string, Generation['judge']>()
  const take = (): Generation => {
    writeFileSync(path, JSON.stringify(raw))
    const config = readConfig(path)
    bindSigners(config.upstreams, loadSigners(config).signers)
    const { generation, services, upstreams, disabled, issuer, callers } = config
    const access = compileAccess(issuer, callers)
    const judge = secondPolicy(raw)
    judges.set(generation, judge)
    return { policy: compilePolicy(generation, services, upstreams, access, disabled), judge }
  }
  let current = take()
  const calls = { ehr: 0 }
  const fetching: FetchPorts = {
    ...{ clock: clock.clock, chance: chance.next },
    cache: memoryCache(clock.clock),
    flights: singleFlight(),
    hasWorked: () => true,
    onRefreshFailed: () => {},
    share: direct,
    exchange: exchangeWith({
      ...{
        clock: clock.clock,
        signerFor: signerOf,
        newJti: () => `${calls.ehr}`,
        onDate: () => {},
      },
      postFor: () => async (url, form) => {
        calls.ehr++
        const { token, scopes } = grantedBy(
          raw,
          url,
          clientIn(form.get('client_assertion') ?? ''),
          form.get('scope') ?? '',
        )
        return {
          ...{ status: 200, type: 'application/json', date: null, retryAfter: null },
          text: JSON.stringify({
            ...{ access_token: token, token_type: 'Bearer', expires_in: 600, scope: scopes },
          }),
        }
      },
    }),
  }
  const records = new Map<string, AuditRecord>()
  const honest: Rooms = {
    policy: () => current.policy,
    ...openDoor({
      clock: clock.clock,
      wait: async () => {},
      dispatcherTo: () => {
        throw new Error('no key set is fetched here')
      },
    }),
    claimedId,
    authorise: (service, ask, { grantsOf, upstreams, disabledOf }) =>
      authorise(grantsOf(service), ask, upstreams, disabledOf(service)),
    obtain: obtainWith(fetching),
    refuseExcess,
    audit: {
      record: async record => void records.set(record.request, record),
      close: async () => {},
    },
    clock: clock.clock,
  }
  const rooms = { ...honest, ...sabotage(honest) }
  const reload = (): void => {
    raw = changed(chance, raw)
    current = take()
  }
  return { clock, rooms, records, judges, calls, reload, wish: () => randomWish(chance, raw) }
}

const requestOf = (id: string, wish: Wish): TokenRequest => ({
  ...{ id, address: '192.0.2.1', authorization: basic(wish.client, wish.secret) },
  certificate: () => null,
  form: new Map([['grant_type', 'client_credentials']]),
  ask: { resources: wish.resources, audience: wish.audience, scope: wish.scope },
  ...{ minimumTtl: 0, fault: null },
})

interface Tally {
  faults: string[]
  granted: number
  codes: Map<string, number>
}

async function handOut(made: ReturnType<typeof broker>, total: number, reloadEvery: number) {
  const { clock, rooms, records, judges, reload } = made
  const tally: Tally = { faults: [], granted: 0, codes: new Map() }
  for (let done = 0; done < total && tally.faults.length === 0; done += BATCH) {
    clock.advance(3)
    const asked = Array.from({ length: BATCH }, (_, at) => {
      const [id, wish] = [`${done + at}`, made.wish()]
      return { id, wish, answer: answerOf(issueToken(requestOf(id, wish), rooms)) }
    })
    if (done % reloadEvery === 0) reload()
    for (const { id, wish, answer: answering } of asked) {
      const answer = await answering
      const judge = judges.get(records.get(id)?.config ?? '')
      const fault = judge ? faultIn(judge(wish), answer) : 'decided by no config that ever was'
      if (fault !== null) tally.faults.push(`${fault}: ${JSON.stringify(wish)}`)
      if ('token' in answer) tally.granted++
      else tally.codes.set(answer.code, (tally.codes.get(answer.code) ?? 0) + 1)
    }
    records.clear()
  }
  return tally
}

const answerOf = (work: ReturnType<typeof issueToken>) =>
  work.then(
    issued => ({ token: issued.access_token }),
    error => ({ code: asBrokerError(error).code }),
  )

test('of a million hand-outs none is one that a second, naive policy would not give', async () => {
  const made = broker(chanceFrom(SEED))
  const total = LONG ? 1_000_000 : 100_000
  const { faults, granted, codes } = await handOut(made, total, total / (LONG ? 40 : 10))
  process.stdout.write(
    `${total} hand-outs, ${made.judges.size} generations, ${granted} granted, ${made.calls.ehr} calls to EHRs; ` +
      `refused: ${[...codes].map(([code, count]) => `${code} ${count}`).join(', ')}\n`,
  )
  expect(faults).toEqual([])
  // It has been there: tokens were given, from the cache too, and each kind of refusal.
  expect(granted).toBeGreaterThan(total / 5)
  expect(made.calls.ehr).toBeLessThan(granted)
  expect([...codes.keys()]).toEqual(
    expect.arrayContaining([
      ...['secret_wrong', 'client_unknown', 'scope_not_granted', 'scope_malformed'],
      ...['upstream_not_granted', 'upstream_unknown', 'upstream_disabled', 'target_missing'],
      ...['target_ambiguous', 'scope_exceeds_grant'],
    ]),
  )
}, 600_000)

describe('and it would notice', () => {
  const other = (text: string): string => createHash('sha256').update(text).digest('hex')
  test.each<[string, (rooms: Rooms) => Partial<Rooms>]>([
    [
      'a cache that forgets whose token it holds',
      ({ obtain }) => {
        const first = obtain
        let last: Awaited<ReturnType<typeof obtain>> | null = null
        return {
          obtain: async need => {
            last = last && other(need.upstream.id).startsWith('0') ? last : await first(need)
            return last
          },
        }
      },
    ],
    [
      'scopes that nobody compares',
      ({ authorise: asked }) => ({
        authorise: (service, ask, policy) => ({
          ...asked(service, { ...ask, scope: undefined }, policy),
          scopes: ask.scope?.split(' ') ?? ['system/Patient.read'],
        }),
        refuseExcess: () => null,
      }),
    ],
    ['what the EHR granted beyond', () => ({ refuseExcess: () => null })],
    [
      'another service’s grants',
      ({ authorise: asked }) => ({
        authorise: (service, ask, policy) =>
          asked(
            service.replace(/\d$/, last => `${9 - Number(last)}`),
            ask,
            policy,
          ),
      }),
    ],
    [
      'a policy that stays when a new one comes',
      ({ policy }) => {
        const first = policy()
        return { policy: () => ({ ...first, generation: policy().generation }) }
      },
    ],
    [
      'a secret that nobody checks',
      ({ authenticate }) => ({
        authenticate: (presented, policy) =>
          authenticate(presented, policy).catch(error => {
            const service = claimedId(presented)
            if (service === null || policy.grantsOf(service).length === 0) throw error
            return { service, method: 'client_secret_basic' }
          }),
      }),
    ],
    [
      'a refusal of what is granted',
      ({ obtain }) => ({
        obtain: async need => {
          const obtained = await obtain(need)
          if (other(need.upstream.id).startsWith('0')) throw new Error('lost')
          return obtained
        },
      }),
    ],
  ])('%s', async (_, sabotage) => {
    const { faults } = await handOut(broker(chanceFrom(SEED), sabotage), 20_000, 2_000)
    expect(faults).not.toEqual([])
  })
})
