import type { Clock } from '../clock.ts'
import type { KeyRecord } from './key-facts.ts'
import { NOTHING_SEEN } from './sightings.ts'
import type { KeyState } from './state.ts'

/** Where the state of one environment lies. */
export interface Drawer {
  /** What was saved last, and when; null where there is nothing that can be read. */
  load: () => { state: KeyState; savedAt: number } | null
  /** Throws where it is not saved; then what was saved before is still there. */
  save: (state: KeyState, savedAt: number) => void
}

/** The state of one environment, at work. */
export interface OpenState {
  /** All but what changes with each call to an EHR. */
  readonly parts: Readonly<Parts>
  /** By upstream id. */
  readonly records: ReadonlyMap<string, KeyRecord>
  /** By thumbprint, in milliseconds since the epoch. */
  readonly lastSigned: ReadonlyMap<string, number>
  /** Before a signature. One that a kill could make forgotten is saved before this returns. */
  signing: (thumbprint: string) => void
  /** `isNews`: more than another time of the same. */
  record: (upstream: string, record: KeyRecord, isNews: boolean) => void
  change: (parts: Partial<Parts>) => void
  /** Keys that are there. When one was made is believed of its file only where nothing was known before it. */
  meet: (keys: readonly { thumbprint: string; made: number | null }[]) => void
  /** When known keys were made, by the publisher's word. */
  date: (created: Readonly<Record<string, number>>) => void
  saveNow: () => void
  /** To be called every few seconds. */
  saveIfDue: () => void
  whole: () => KeyState
  /** All but what is known by upstream, which of thousands takes long to write down. */
  rest: () => Omit<KeyState, 'records'>
  /** Why it could not be saved; null where it could. */
  fault: () => string | null
}

type Parts = Omit<KeyState, 'records' | 'lastSigned'>

/** Milliseconds after which what is only another time of the same is saved. */
const LATER = 60_000
/** Milliseconds by which the saved time of a key's last signature may be behind. */
const BEHIND = 2 * LATER

const begun = (now: number): KeyState => ({
  ...{ since: now, url: null, watched: NOTHING_SEEN, created: {}, published: {}, records: {} },
  ...{ lastSigned: {}, revoked: {}, promoted: [], rotations: [], proofs: {}, withdrawals: [] },
})

/**
 * Goes on with what was saved. What was in use then may have signed until this moment, whether that was saved or not.
 */
export function openState({ load, save }: Drawer, clock: Clock): OpenState {
  const now = (): number => clock().wall
  const loaded = load()
  const { records: before, lastSigned: signed, ...rest } = loaded?.state ?? begun(now())
  let parts: Parts = rest
  const records = new Map(Object.entries(before))
  const lastSigned = new Map(Object.entries(signed))
  for (const thumbprint of loaded ? perhapsInUse(loaded) : []) lastSigned.set(thumbprint, now())
  const saved = new Map<string, number>()
  let isFirstMeeting = loaded === null
  let dirty: 'no' | 'later' | 'soon' = 'soon'
  let savedAt = now()
  let fault: string | null = null

  const own = () => ({ ...parts, lastSigned: Object.fromEntries(lastSigned) })
  const whole = (): KeyState => ({ ...own(), records: Object.fromEntries(records) })
  const saveNow = (): void => {
    try {
      savedAt = now()
      save(whole(), savedAt)
      for (const [thumbprint, at] of lastSigned) saved.set(thumbprint, at)
      dirty = 'no'
      fault = null
    } catch (error) {
      dirty = 'soon'
      fault = (error as NodeJS.ErrnoException).code ?? 'unknown'
    }
  }
  return {
    get parts() {
      return parts
    },
    records,
    lastSigned,
    signing: thumbprint => {
      const at = now()
      lastSigned.set(thumbprint, at)
      if (Math.abs(at - (saved.get(thumbprint) ?? 0)) > BEHIND) saveNow()
      else if (dirty === 'no') dirty = 'later'
    },
    record: (upstream, record, isNews) => {
      records.set(upstream, record)
      if (isNews) dirty = 'soon'
      else if (dirty === 'no') dirty = 'later'
    },
    change: changed => {
      parts = { ...parts, ...changed }
      dirty = 'soon'
    },
    meet: keys => {
      const created = { ...parts.created }
      for (const { thumbprint, made } of keys)
        created[thumbprint] ??= isFirstMeeting ? Math.min(made ?? now(), now()) : now()
      if (Object.keys(created).length > Object.keys(parts.created).length) {
        parts = { ...parts, created }
        dirty = 'soon'
      }
      isFirstMeeting = false
    },
    date: told => {
      const created = Object.entries(parts.created).map(
        ([thumbprint, at]) => [thumbprint, told[thumbprint] ?? at] as const,
      )
      if (created.every(([thumbprint, at]) => parts.created[thumbprint] === at)) return
      parts = { ...parts, created: Object.fromEntries(created) }
      dirty = 'soon'
    },
    saveNow,
    saveIfDue: () => {
      const late = Math.abs(now() - savedAt) >= LATER
      if (dirty === 'soon' || (dirty === 'later' && late)) saveNow()
    },
    whole,
    rest: own,
    fault: () => fault,
  }
}

/** The keys that signed for somebody when the state was saved, and those that signed shortly before. */
function perhapsInUse({ state, savedAt }: { state: KeyState; savedAt: number }): Set<string> {
  const inUse = Object.values(state.records).flatMap(({ inUse: name }) => name ?? [])
  const lately = Object.entries(state.lastSigned)
    .filter(([, at]) => at >= savedAt - BEHIND - LATER)
    .map(([thumbprint]) => thumbprint)
  return new Set([...inUse, ...lately])
}
