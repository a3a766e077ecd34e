import process from 'node:process'
import { describe, expect, test } from 'vitest'
import type { Policy } from '../../broker/access/policy.ts'
import type { KnownRequest } from '../../broker/issue-token.ts'
import { parseScopeList } from '../../broker/scopes.ts'
import type { Need, Obtained } from '../../broker/tokens/obtain.ts'
import { importsOf, linesOf } from '../house/source.ts'
import { generationsOf, type Mutant, runFleet } from '../support/fleet-run.ts'
import { once } from '../support/keys.ts'

const SEED = Number(process.env['LOCKSTEP_SEED'])
const [HANDOUTS, RELOADS] = process.env['LOCKSTEP_LONG'] === '1' ? [1_000_000, 50] : [100_000, 10]
const ORIGIN = 'http://127.0.0.1:9'

test('no token is handed out that a second policy would not give, and none refused that it would', {
  timeout: 900_000,
}, async () => {
  const plan = { seed: SEED, origin: ORIGIN, services: 200, upstreams: 500, off: 4 }
  const run = await runFleet(SEED, generationsOf(plan, RELOADS + 1), HANDOUTS)
  process.stdout.write(
    `${run.handouts} hand-outs, ${RELOADS} reloads, ${run.issued} tokens issued: `,
  )
  process.stdout.write(`${JSON.stringify(Object.fromEntries(run.outcomes))}\n`)
  expect(run.complaints).toEqual([])
  expect(run.handouts).toBeGreaterThanOrEqual(HANDOUTS)
  expect(run.outcomes.get('granted')).toBeGreaterThan(HANDOUTS / 3)
  expect(run.misrecorded).toBe(0)
})

test('the second policy is short, and knows nothing of the first', () => {
  const file = 'test/support/second-policy.ts'
  expect(linesOf(file)).toBeLessThan(60)
  expect(importsOf(file).map(each => each.specifier)).toEqual(['node:crypto'])
})

/** A cache before the real one, which tells apart what `nameOf` does. */
const cachedBy =
  (nameOf: (need: Need) => unknown): Mutant =>
  ({ obtain }) => {
    const held = new Map<string, Promise<Obtained>>()
    return {
      obtain: need => {
        const name = JSON.stringify(nameOf(need))
        const found = held.get(name) ?? obtain(need)
        held.set(name, found)
        return found
      },
    }
  }

/** Rooms of the broker that make one mistake each. */
const MUTANTS: Record<string, Mutant> = {
  'the cache does not tell client IDs apart': cachedBy(({ upstream, scopes }) => [
    ...[upstream.tokenEndpoint, upstream.profileName, [...scopes].sort()],
  ]),
  'the cache does not tell EHRs apart': cachedBy(({ upstream, scopes }) => [
    ...[upstream.clientId, upstream.profileName, [...scopes].sort()],
  ]),
  'the cache does not tell scopes apart': cachedBy(({ upstream }) => [
    ...[upstream.tokenEndpoint, upstream.clientId, upstream.profileName],
  ]),
  'the cache goes by the name of the upstream, whatever it was before': cachedBy(
    ({ upstream, scopes }) => [upstream.id, [...scopes].sort()],
  ),
  'what was authorised once is authorised for ever': ({ authorise }) => {
    const known = new Map<string, ReturnType<typeof authorise>>()
    return {
      authorise: (service, ask, policy) => {
        const name = JSON.stringify([service, ask])
        const found = known.get(name) ?? authorise(service, ask, policy)
        known.set(name, found)
        return found
      },
    }
  },
  'what is known stays known when the config changes': () => {
    const known = new Map<string, KnownRequest>()
    return {
      remember: (digest, request) => void known.set(digest, request),
      recall: digest => known.get(digest),
    }
  },
  'what one service was granted, all are': ({ authorise }) => {
    const known = new Map<string, ReturnType<typeof authorise>>()
    return {
      authorise: (service, ask, policy) => {
        const name = JSON.stringify(ask)
        const found = known.get(name) ?? authorise(service, ask, policy)
        known.set(name, found)
        return found
      },
    }
  },
  'whatever scopes are asked are granted': ({ authorise }) => ({
    authorise: (service, { scope, ...ask }, policy) => {
      const found = authorise(service, { ...ask, scope: undefined }, policy)
      const asked = scope === undefined ? null : parseScopeList(scope)
      return asked === null ? found : { ...found, scopes: asked }
    },
    refuseExcess: () => null,
  }),
  'whatever the EHR grants is handed out': () => ({ refuseExcess: () => null }),
  'the first config is kept': ({ policy }) => {
    let first: Policy | undefined
    return {
      policy: () => {
        first ??= policy()
        return first
      },
    }
  },
  'the config before is kept for a while': ({ policy }) => {
    let [given, late]: [Policy | null, number] = [null, 0]
    return {
      policy: () => {
        late = given === policy() ? 0 : late + 1
        if (given === null || late > 200) given = policy()
        return given
      },
    }
  },
  'whoever says a name is believed': ({ claimedId }) => ({
    authenticate: async presented => ({
      ...{ service: claimedId(presented) ?? '', method: 'client_secret_basic', proves: null },
    }),
  }),
  'upstreams that are switched off are not there': ({ authorise }) => ({
    authorise: (service, ask, policy) =>
      authorise(service, ask, { ...policy, disabledOf: () => [] }),
  }),
  'of several grants that fit, the first is taken': ({ authorise }) => ({
    authorise: (service, ask, policy) => {
      try {
        return authorise(service, ask, policy)
      } catch (error) {
        const [first] = policy.grantsOf(service)
        if (first === undefined || ask.resources.length > 0 || ask.audience) throw error
        return authorise(service, { ...ask, audience: first.upstream.id }, policy)
      }
    },
  }),
  'nobody is given anything': ({ authorise }) => ({
    authorise: (service, ask, policy) =>
      authorise(service, ask, { ...policy, grantsOf: () => [], disabledOf: () => [] }),
  }),
}

describe('the second policy finds out where', () => {
  const plan = { seed: SEED, origin: ORIGIN, services: 40, upstreams: 100, off: 25 }
  const some = once(() => generationsOf(plan, 20))

  test.each(Object.entries(MUTANTS))('%s', async (_, mutant) => {
    const { complaints } = await runFleet(SEED, some(), 60_000, mutant)
    expect(complaints.length).toBeGreaterThan(0)
  })
})
