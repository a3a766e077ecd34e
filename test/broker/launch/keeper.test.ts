import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { asBrokerError } from '../../../broker/errors.ts'
import { openKeeper } from '../../../broker/launch/keeper.ts'
import { movedClock } from '../../support/clock.ts'
import { connection } from '../../support/launch-target.ts'
import { openTestVault } from '../../support/launch-vault.ts'

function open() {
  const clock = movedClock()
  const { shelf, vault } = openTestVault(clock.clock)
  const keeper = openKeeper({ clock: clock.clock, vault, random: randomBytes })
  const made = (parts = {}) =>
    connection({ id: keeper.newId(), expiresAt: clock.now() + 3_600_000, ...parts })
  return { clock, shelf, keeper, made }
}

/** A connection that its browser has, and that the service has taken over. */
async function handedOver() {
  const opened = open()
  const { keeper, made } = opened
  const id = keeper.newId()
  const { code, kept } = keeper.newCode(id, 'scheduling')
  const own = made({ id, code: kept })
  await keeper.keep(own)
  const session = await keeper.openSession(own, undefined)
  const { handle } = await keeper.redeem(code, 'scheduling')
  return { ...opened, session, code, handle }
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    error => asBrokerError(error).code,
  )

describe('a browser', () => {
  test('finds its connection by its session, at that upstream alone', async () => {
    const { keeper, made } = open()
    const own = made()
    await keeper.keep(own)
    const session = await keeper.openSession(own, undefined)
    expect(await keeper.ofSession(session, 'ehr')).toEqual([own])
    expect(await keeper.ofSession(session, 'other')).toEqual([])
    expect(await keeper.ofSession(`${session}x`, 'ehr')).toEqual([])
    expect(await keeper.ofSession(undefined, 'ehr')).toEqual([])
  })

  test('gets a new session at each login, which finds what the one before did, the latest first; that one is over', async () => {
    const { keeper, made } = open()
    const [first, second] = [made(), made()]
    await keeper.keep(first)
    const planted = await keeper.openSession(first, undefined)
    await keeper.keep(second)
    const session = await keeper.openSession(second, planted)
    expect(session).not.toBe(planted)
    expect(await keeper.ofSession(planted, 'ehr')).toEqual([])
    expect((await keeper.ofSession(session, 'ehr')).map(({ id }) => id)).toEqual([
      ...[second.id, first.id],
    ])
  })

  test('that disconnects leaves nothing behind, and no handle that works', async () => {
    const { keeper, shelf, session, handle } = await handedOver()
    await keeper.end(session, 'ehr')
    expect(await codeOf(keeper.byHandle(handle, 'scheduling'))).toBe('connection_unknown')
    const left: string[] = []
    for await (const { key } of shelf.all()) left.push(key)
    expect(left).toEqual([])
  })
})

describe('a code', () => {
  async function coded() {
    const opened = open()
    const id = opened.keeper.newId()
    const { code, kept } = opened.keeper.newCode(id, 'scheduling')
    await opened.keeper.keep(opened.made({ id, code: kept }))
    return { ...opened, code, id }
  }

  test('is good once, for its service, and gives a handle that is another text', async () => {
    const { keeper, code, id } = await coded()
    const { handle, connection: own } = await keeper.redeem(code, 'scheduling')
    expect(own.id).toBe(id)
    expect(handle).not.toBe(code)
    expect((await keeper.byHandle(handle, 'scheduling')).connection.id).toBe(id)
    expect(await codeOf(keeper.redeem(code, 'scheduling'))).toBe('connection_code_unknown')
    expect(await codeOf(keeper.byHandle(code, 'scheduling'))).toBe('connection_unknown')
  })

  test('of two who redeem it at once, one does', async () => {
    const { keeper, code } = await coded()
    const ended = await Promise.all(
      Array.from({ length: 5 }, () => codeOf(keeper.redeem(code, 'scheduling'))),
    )
    expect(ended.filter(each => each === 'done')).toHaveLength(1)
  })

  test('that another service shows is spent', async () => {
    const { keeper, code } = await coded()
    expect(await codeOf(keeper.redeem(code, 'billing'))).toBe('connection_code_of_another')
    expect(await codeOf(keeper.redeem(code, 'scheduling'))).toBe('connection_code_unknown')
  })

  test('is over after a minute', async () => {
    const { keeper, code, clock } = await coded()
    clock.advance(60)
    expect(await codeOf(keeper.redeem(code, 'scheduling'))).toBe('connection_code_unknown')
  })

  test.each(['', '.', 'x', `${'a'.repeat(22)}.${'b'.repeat(43)}`, '../../etc/passwd', '\u0000'])(
    'that nobody made is nobody’s: %j',
    async text => {
      const { keeper } = await coded()
      expect(await codeOf(keeper.redeem(text, 'scheduling'))).toBe('connection_code_unknown')
      expect(await codeOf(keeper.byHandle(text, 'scheduling'))).toBe('connection_unknown')
    },
  )
})

test('a handle works for the service that it was made for, and for no other', async () => {
  const { keeper, made } = open()
  const id = keeper.newId()
  const { code, kept } = keeper.newCode(id, 'scheduling')
  await keeper.keep(made({ id, code: kept }))
  const { handle } = await keeper.redeem(code, 'scheduling')
  expect(await codeOf(keeper.byHandle(handle, 'billing'))).toBe('connection_of_another')
})

test('the store holds neither sessions nor handles nor codes in clear', async () => {
  const { shelf, session, code, handle } = await handedOver()
  let all = ''
  for await (const row of shelf.all()) all += JSON.stringify(row)
  for (const secret of [session, code.split('.')[1], handle.split('.')[1], 'access-1'])
    expect(all).not.toContain(secret)
})
