import { describe, expect, test } from 'vitest'
import { settleAdmin } from '../../broker/admin-config.ts'
import type { Complaint } from '../../broker/config-rules.ts'

const TOKEN = 'an-operator-token-of-some-length-1'

function settle(admin: Parameters<typeof settleAdmin>[0], file: string | null = TOKEN) {
  const complaints: Complaint[] = []
  const address = settleAdmin(
    admin,
    given => `/etc/lockstep/${given}`,
    () => file,
    complaints,
  )
  return { address, at: complaints.map(each => each.at) }
}

test('by default it is a socket beside the config', () => {
  expect(settle(undefined)).toEqual({
    address: { socket: '/etc/lockstep/admin.sock', port: null, token: null },
    at: [],
  })
})

test('a port has a token, without the line end of its file', () => {
  const { address } = settle({ port: 9000, tokenFile: 'token' }, `${TOKEN}\n`)
  expect(address).toEqual({ socket: null, port: 9000, token: TOKEN })
})

describe('what cannot be is complained of', () => {
  test.each([
    [{ port: 9000 }, TOKEN, ['/admin/port']],
    [{ port: 9000, tokenFile: 't' }, 'short', ['/admin/tokenFile']],
    [{ port: 9000, tokenFile: 't' }, `two ${TOKEN}`, ['/admin/tokenFile']],
    [{ port: 9000, socket: 's', tokenFile: 't' }, TOKEN, ['/admin/socket']],
    [{ socket: 's', tokenFile: 't' }, TOKEN, ['/admin/tokenFile']],
    [{ socket: 'x'.repeat(100) }, TOKEN, ['/admin/socket']],
  ])('%j', (admin, file, at) => {
    expect(settle(admin, file).at).toEqual(at)
  })
})
