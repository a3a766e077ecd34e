import { describe, expect, test } from 'vitest'
import { type HeldKey, type KeyRules, openEnvironment } from '../../../broker/keys/environment.ts'
import type { UpstreamFacts } from '../../../broker/keys/key-facts.ts'
import type { KeyState } from '../../../broker/keys/state.ts'
import type { Seen } from '../../../broker/keys/watch.ts'
import { movedClock } from '../../support/clock.ts'
import { signingKey } from '../../support/keys.ts'

const DAY = 24 * 3600
const LIFE = { shared: 600, own: 600 }
const RULES: KeyRules = {
  ...{ jwksUrl: 'https://keys.example.com/jwks.json', guard: 60 },
  ...{ liveSince: new Map(), heldElsewhere: [] },
}

const held = (kid: string, since: number, role: HeldKey['role'] = 'signer'): HeldKey => ({
  role,
  key: signingKey(kid, { since }),
})
const OLD = held('old', 1000)
const NEW = held('new', 2000)

const ehr = (id: string, parts: Partial<UpstreamFacts> = {}): UpstreamFacts => ({
  ...{ id, alg: 'RS384', reader: { refetches: true, keeps: null }, pinned: null },
  ...parts,
})

/** An environment with a drawer that can be taken to another start. */
function room(
  drawer: { saved: { state: KeyState; savedAt: number } | null } = { saved: null },
  clock = movedClock(),
) {
  const told: { level: string; facts: Record<string, unknown>; message: string }[] = []
  const log = (level: string) => (facts: object, message: string) =>
    void told.push({ level, facts: { ...facts }, message })
  const pasts = new Map<string, { kid: string; at: number }>()
  let switches = 0
  const keys = openEnvironment({
    ...{ name: 'nonprod', clock: clock.clock },
    ...{ board: null, wait: async () => {}, chance: () => 0, owner: 'one', newName: () => 'two' },
    log: { info: log('info'), warn: log('warn'), error: log('error') },
    drawer: {
      load: () => structuredClone(drawer.saved),
      save: (state, savedAt) => {
        drawer.saved = structuredClone({ state, savedAt })
      },
    },
    past: id => pasts.get(id) ?? null,
    onSwitched: () => switches++,
  })
  const see = (...kids: string[]): void => keys.seen(seen(clock.now(), kids))
  const signs = (id = 'a') => {
    const hand = keys.handOf(id)
    return hand && [hand.key.kid, hand.because]
  }
  const alarms = () => keys.alarms().map(({ code }) => code)
  return { keys, clock, told, pasts, see, signs, alarms, drawer, switched: () => switches }
}

function seen(at: number, kids: readonly string[], parts: Partial<Seen> = {}): Seen {
  const look = { keys: kids.map(kid => `print-${kid}`), life: LIFE }
  return {
    round: { at, looks: [look, look] },
    published: new Map(kids.map(kid => [`print-${kid}`, [{ kid, alg: 'RS384' }]])),
    faults: [],
    ...parts,
  }
}

const take = (
  { keys }: ReturnType<typeof room>,
  parts: Partial<Parameters<typeof keys.take>[0]> = {},
) => keys.take({ rules: RULES, held: [OLD], upstreams: [ehr('a')], ...parts })

/** The old key is live and proven, and `a` has accepted it. */
function settled(made = room()) {
  take(made)
  made.see('old')
  made.clock.advance(60)
  made.see('old')
  made.keys.answered('a', 'print-old', 'accepted')
  return made
}

test('a new key signs once it has been live for the guard, and not when its file appears', () => {
  const made = settled()
  expect(made.signs()).toEqual(['old', 'newest'])
  take(made, { held: [OLD, NEW] })
  made.clock.advance(DAY)
  made.see('old')
  made.keys.tick()
  expect(made.signs()).toEqual(['old', 'newest'])
  made.see('old', 'new')
  made.clock.advance(59)
  made.keys.tick()
  expect(made.signs()).toEqual(['old', 'newest'])
  made.clock.advance(20)
  made.keys.tick()
  expect(made.signs()).toEqual(['new', 'newest'])
  expect(made.switched()).toBeGreaterThan(0)
})

test('what was seen, accepted and made survives a restart', () => {
  const made = settled()
  take(made, { held: [OLD, NEW] })
  made.see('old', 'new')
  made.keys.close()
  made.clock.advance(30)
  const again = room(made.drawer, made.clock)
  take(again, { held: [OLD, NEW] })
  expect(again.signs()).toEqual(['old', 'newest'])
  again.clock.advance(31)
  again.see('old', 'new')
  expect(again.signs()).toEqual(['new', 'newest'])
})

test('with the state lost the key that the audit knows as accepted signs on, though a newer one is there', () => {
  const made = room()
  made.pasts.set('a', { kid: 'old', at: made.clock.now() - 1000 })
  take(made, { held: [OLD, NEW] })
  expect(made.signs()).toEqual(['old', 'newest'])
  made.see('old', 'new')
  expect(made.signs()).toEqual(['old', 'newest'])
})

test('what was seen at another URL says nothing', () => {
  const made = settled()
  take(made, { rules: { ...RULES, jwksUrl: 'https://other.example.com/jwks.json' } })
  expect(made.keys.state().watched.sightings).toEqual({})
})

describe('a key is signed with under the names that the live set gives it', () => {
  test('kid and alg', () => {
    const made = room()
    take(made)
    expect(made.keys.handOf('a')?.key).toMatchObject({ kid: 'old', alg: 'RS384' })
    made.keys.seen(
      seen(made.clock.now(), ['old'], {
        published: new Map([['print-old', [{ kid: 'registered', alg: 'RS256' }]]]),
      }),
    )
    expect(made.keys.handOf('a')?.key).toMatchObject({ kid: 'registered', alg: 'RS256' })
    expect(made.alarms()).toContain('key_published_otherwise')
  })

  test('also after a restart, before anybody looks', () => {
    const made = room()
    take(made)
    const published = new Map([['print-old', [{ kid: 'registered', alg: 'RS256' as const }]]])
    made.keys.seen(seen(made.clock.now(), ['old'], { published }))
    made.keys.close()
    const again = room(made.drawer, made.clock)
    take(again)
    expect(again.keys.handOf('a')?.key.kid).toBe('registered')
  })

  test('ours where it is among them', () => {
    const made = room()
    take(made)
    const names = [
      { kid: 'other', alg: 'RS384' as const },
      { kid: 'old', alg: 'RS384' as const },
    ]
    made.keys.seen(seen(made.clock.now(), ['old'], { published: new Map([['print-old', names]]) }))
    expect(made.keys.handOf('a')?.key.kid).toBe('old')
  })
})

test('a key that is refused twice while another was accepted is left for that one, and tried again later', () => {
  const made = settled()
  take(made, { held: [OLD, NEW] })
  made.see('old', 'new')
  made.clock.advance(80)
  made.keys.tick()
  expect(made.signs()).toEqual(['new', 'newest'])
  made.keys.answered('a', 'print-new', 'refused')
  expect(made.signs()).toEqual(['new', 'newest'])
  made.keys.answered('a', 'print-new', 'refused')
  expect(made.signs()).toEqual(['old', 'fallback'])
  made.clock.advance(3600)
  made.keys.tick()
  expect(made.signs()).toEqual(['new', 'newest'])
})

test('a revoked key signs nothing from the same moment, and nothing ever again', () => {
  const made = settled()
  take(made, { held: [OLD, NEW] })
  made.keys.revoke('print-old', 'lost', null)
  expect(made.signs()?.[0]).toBe('new')
  expect(made.drawer.saved?.state.revoked).toMatchObject({ 'print-old': { reason: 'lost' } })
  const again = room(made.drawer, made.clock)
  take(again)
  expect([again.signs(), again.alarms()]).toEqual([null, expect.arrayContaining(['no_key'])])
})

test('a standby signs for nobody until it is promoted', () => {
  const made = room()
  const standby = held('standby', 9000, 'standby')
  take(made, {
    held: [OLD, standby],
    rules: { ...RULES, liveSince: new Map([['standby', { at: 0 }]]) },
  })
  expect(made.signs()?.[0]).toBe('old')
  made.keys.revoke('print-old', 'lost', 'print-standby')
  expect(made.signs()).toEqual(['standby', 'newest'])
})

describe('where nobody looks', () => {
  const rules = { ...RULES, jwksUrl: null }

  test('the oldest signs, and goes on', () => {
    const made = room()
    take(made, { rules, held: [OLD, NEW] })
    expect(made.signs()).toEqual(['old', 'unseen'])
    made.keys.answered('a', 'print-old', 'accepted')
    expect(made.signs()).toEqual(['old', 'newest'])
    expect(made.alarms()).toEqual([])
  })

  test('a newer one signs by the operator’s word for it', () => {
    const made = room()
    take(made, { rules, held: [OLD, NEW] })
    made.keys.answered('a', 'print-old', 'accepted')
    const liveSince = new Map([['new', { at: made.clock.now() }]])
    take(made, { rules: { ...rules, liveSince }, held: [OLD, NEW] })
    expect(made.signs()?.[0]).toBe('old')
    made.clock.advance(60)
    made.keys.tick()
    expect(made.signs()).toEqual(['new', 'newest'])
  })
})

describe('an alarm rings', () => {
  test('where a live key is here with nobody, until somebody claims it', () => {
    const made = settled()
    made.see('old', 'strange')
    expect(made.alarms()).toEqual(['key_unclaimed'])
    take(made, { rules: { ...RULES, heldElsewhere: ['strange'] } })
    expect(made.alarms()).toEqual([])
    const lines = made.told.filter(({ facts }) => facts['alarm'] === 'key_unclaimed')
    expect(lines.map(({ level }) => level)).toEqual(['error', 'info'])
  })

  test('where a key that signs is gone from the set, and it signs on', () => {
    const made = settled()
    made.see()
    expect([made.signs()?.[0], made.alarms()]).toEqual(['old', ['key_not_live']])
  })

  test('where nothing proves the key that signs', () => {
    const made = room()
    take(made)
    made.see('old')
    expect([made.signs(), made.alarms()]).toEqual([['old', 'unproven'], ['guard_unproven']])
  })

  test('where a revoked key is still live', () => {
    const made = settled()
    take(made, { held: [OLD, NEW] })
    made.see('old', 'new')
    made.keys.revoke('print-old', 'lost', null)
    expect(made.alarms()).toContain('revoked_live')
  })

  test('where looks fail, said once and not each time', () => {
    const made = settled()
    const fault = { state: 'html', detail: '', way: 'IPv6', isFresh: true } as const
    for (let round = 0; round < 3; round++)
      made.keys.seen(seen(made.clock.now(), ['old'], { faults: [fault] }))
    expect(made.keys.alarms()).toMatchObject([
      { code: 'watch_failing', about: ['IPv6 fresh html'] },
    ])
    expect(made.told.filter(({ facts }) => facts['alarm'] === 'watch_failing')).toHaveLength(1)
    made.see('old')
    expect(made.alarms()).toEqual([])
  })
})

test('it waits for a key that is here to be live and proven, and for a revoked one to go', () => {
  const made = settled()
  expect(made.keys.isAwaiting()).toBe(false)
  take(made, { held: [OLD, NEW] })
  expect(made.keys.isAwaiting()).toBe(true)
  made.see('old', 'new')
  expect(made.keys.isAwaiting()).toBe(true)
  made.clock.advance(60)
  expect(made.keys.isAwaiting()).toBe(false)
  made.keys.revoke('print-old', 'lost', null)
  expect(made.keys.isAwaiting()).toBe(true)
  made.see('new')
  expect(made.keys.isAwaiting()).toBe(false)
})

test('rotations are kept', async () => {
  const made = settled()
  const rotation = { id: 'r', alg: 'RS384', role: 'signer', because: 'command' } as const
  const rotations = [{ ...rotation, asked: 1, made: null, proposal: null }]
  await made.keys.keep(() => ({ rotations }), 'anyone')
  const again = room(made.drawer, made.clock)
  take(again)
  expect(again.keys.state().rotations).toMatchObject([rotation])
})
