import { expect, test } from 'vitest'
import { NO_RECORD } from '../../../broker/keys/key-facts.ts'
import type { KeyState } from '../../../broker/keys/state.ts'
import { openState } from '../../../broker/keys/state-keeper.ts'
import { movedClock } from '../../support/clock.ts'

/** A drawer that counts, and that fails while a test says so. */
function kept(clock = movedClock()) {
  const drawer = {
    saved: null as { state: KeyState; savedAt: number } | null,
    saves: 0,
    fails: false,
  }
  const open = () =>
    openState(
      {
        load: () => structuredClone(drawer.saved),
        save: (state, savedAt) => {
          if (drawer.fails) throw Object.assign(new Error('full'), { code: 'ENOSPC' })
          drawer.saves++
          drawer.saved = structuredClone({ state, savedAt })
        },
      },
      clock.clock,
    )
  return { clock, drawer, open }
}

test('where nothing was saved the state begins now, and what was before is unknown', () => {
  const { clock, open } = kept()
  expect(open().whole()).toMatchObject({ since: clock.now(), records: {}, lastSigned: {} })
})

test('the first signature of a key is saved before it is made, and so is one after a long pause', () => {
  const { clock, drawer, open } = kept()
  const state = open()
  state.signing('key')
  expect(drawer.saved?.state.lastSigned).toEqual({ key: clock.now() })
  state.signing('key')
  expect(drawer.saves).toBe(1)
  clock.advance(3600)
  state.signing('key')
  expect(drawer.saved?.state.lastSigned).toEqual({ key: clock.now() })
})

test('news is saved at the next moment for it, and another time of the same a minute later', () => {
  const { clock, drawer, open } = kept()
  const state = open()
  state.saveNow()
  state.record('ehr', { ...NO_RECORD, inUse: 'key' }, true)
  state.saveIfDue()
  expect(drawer.saves).toBe(2)
  state.record('ehr', { ...NO_RECORD, inUse: 'key' }, false)
  state.saveIfDue()
  expect(drawer.saves).toBe(2)
  clock.advance(60)
  state.saveIfDue()
  state.saveIfDue()
  expect(drawer.saves).toBe(3)
})

test('after a kill every key that was in use may have signed until the new start', () => {
  const { clock, drawer, open } = kept()
  const state = open()
  for (const name of ['in-use', 'long-ago', 'just-before']) state.signing(name)
  const signedAt = clock.now()
  state.record('ehr', { ...NO_RECORD, inUse: 'in-use' }, true)
  clock.advance(7200)
  state.signing('just-before')
  state.saveNow()
  clock.advance(30)
  const { lastSigned } = open().whole()
  expect(lastSigned).toEqual({
    'in-use': clock.now(),
    'just-before': clock.now(),
    'long-ago': signedAt,
  })
  expect(drawer.saves).toBeGreaterThan(0)
})

test('what cannot be saved is tried again, and said', () => {
  const { drawer, open } = kept()
  const state = open()
  drawer.fails = true
  state.signing('key')
  expect(state.fault()).toBe('ENOSPC')
  drawer.fails = false
  state.saveIfDue()
  expect([state.fault(), Object.keys(drawer.saved?.state.lastSigned ?? {})]).toEqual([
    null,
    ['key'],
  ])
})

test('a key’s file is believed of when it was made only where nothing was known before', () => {
  const { clock, open } = kept()
  const state = open()
  state.meet([{ thumbprint: 'first', made: 1000 }])
  state.meet([
    { thumbprint: 'first', made: 2000 },
    { thumbprint: 'later', made: 1000 },
  ])
  state.saveNow()
  clock.advance(60)
  const again = open()
  again.meet([{ thumbprint: 'latest', made: 1 }])
  const { first, later, latest } = again.parts.created
  expect([first, latest]).toEqual([1000, clock.now()])
  expect(later).toBe(clock.now() - 60_000)
})

test('a file that says it was made in the future was made now', () => {
  const { clock, open } = kept()
  const state = open()
  state.meet([{ thumbprint: 'key', made: clock.now() * 2 }])
  expect(state.parts.created).toEqual({ key: clock.now() })
})

test('when a key was made is taken from who knows, for keys that are known alone', () => {
  const { clock, drawer, open } = kept()
  const state = open()
  state.meet([{ thumbprint: 'known', made: 7 }])
  state.saveNow()
  state.date({ known: 7, strange: 1 })
  expect(drawer.saves).toBe(1)
  state.date({ known: 5, strange: 1 })
  state.saveIfDue()
  expect(drawer.saved?.state.created).toEqual({ known: 5 })
  expect(drawer.saves).toBe(2)
  state.meet([{ thumbprint: 'known', made: clock.now() }])
  expect(state.parts.created).toEqual({ known: 5 })
})
