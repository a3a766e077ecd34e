import {
  type KeyFacts,
  type KeyRecord,
  NO_RECORD,
  type UpstreamFacts,
} from '../../../broker/keys/key-facts.ts'
import type { Plan } from '../../../broker/keys/plan.ts'
import { chooseSigners, type Situation } from '../../../broker/keys/rotation.ts'
import {
  afterRound,
  type Life,
  NOTHING_SEEN,
  type Watched,
} from '../../../broker/keys/sightings.ts'

/** Situations of one line, in words that a rule is told in. */
export const [MINUTE, HOUR] = [60_000, 3_600_000]
export const NOW = 1_800_000_000_000

/** Made so many hours ago. */
export const key = (name: string, hours: number, parts: Partial<KeyFacts> = {}): KeyFacts => ({
  ...{ thumbprint: name, kid: name, alg: 'RS384', created: NOW - hours * HOUR },
  ...{ role: 'signer', isHere: true, revokedAt: null, isReleased: false },
  ...parts,
})

export const hospital = (id: string, parts: Partial<UpstreamFacts> = {}): UpstreamFacts => ({
  ...{ id, alg: 'RS384', pinned: null, reader: { refetches: true, keeps: null } },
  ...parts,
})

/** It accepted the keys so many hours ago, the first of them being in use. */
export const accepted = (
  keys: Record<string, number>,
  parts: Partial<KeyRecord> = {},
): KeyRecord => ({
  ...NO_RECORD,
  inUse: Object.keys(keys)[0] ?? null,
  accepted: Object.fromEntries(
    Object.entries(keys).map(([name, hours]) => [name, NOW - hours * HOUR]),
  ),
  ...parts,
})

export const PAGES: Life = { own: 600, shared: 600 }

/** A watch of a hundred hours with a round every ten minutes, which saw each key from so many hours ago on. */
export function seen(since: Record<string, number>, life: Life = PAGES): Watched {
  let watched = NOTHING_SEEN
  for (let nth = 600; nth >= 0; nth--) {
    const hours = nth / 6
    const keys = Object.keys(since).filter(name => (since[name] ?? 0) >= hours)
    watched = afterRound(watched, { at: NOW - hours * HOUR, looks: [{ keys, life }] })
  }
  return watched
}

/** What is planned by, with nothing under way and nothing signed. */
export const planOf = (all: Situation, parts: Partial<Plan> = {}): Plan => ({
  ...{ situation: all, choices: chooseSigners(all), rotations: [], withdrawing: [] },
  ...{ isEverywhere: () => true, ledger: { since: 0, lastSigned: {}, replicas: [] } },
  ...parts,
})

export const situation = (parts: Partial<Situation>): Situation => ({
  ...{ keys: [], watched: NOTHING_SEEN, upstreams: [hospital('h')], records: new Map() },
  ...{ settings: { guard: null, claimed: {} }, now: NOW },
  ...parts,
})
