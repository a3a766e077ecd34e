import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { AuditRecord } from '../../../broker/audit.ts'
import { asBrokerError, BrokerError } from '../../../broker/errors.ts'
import { type FinishPorts, finishLogin } from '../../../broker/launch/finish.ts'
import { openKeeper } from '../../../broker/launch/keeper.ts'
import { auditRecord } from '../../support/audit.ts'
import { movedClock } from '../../support/clock.ts'
import { launchTarget } from '../../support/launch-target.ts'
import { openTestVault } from '../../support/launch-vault.ts'

const ISSUER = {
  issuer: 'https://ehr.example.com',
  jwksUri: 'https://ehr.example.com/k',
  sendsIss: false,
}
const PENDING = {
  ...{ upstream: 'ehr', verifier: 'VERIFIER', nonce: 'NONCE', at: 0, serviceState: 'S' },
}
const service = { id: 'scheduling', returnUrl: 'https://scheduling.example.com/' }

function open(parts: Partial<FinishPorts> = {}, body: Record<string, unknown> = {}) {
  const { clock } = movedClock()
  const { shelf, vault } = openTestVault(clock)
  const records: AuditRecord[] = []
  const spent: string[] = []
  const grants: Readonly<Record<string, string>>[] = []
  const ports: FinishPorts = {
    clock,
    logins: {
      look: () => PENDING,
      finish: async () => {
        spent.push('spent')
        return PENDING
      },
    },
    issuers: {
      of: async () => ISSUER,
      keysOf: async () => ({ keys: [] }),
      saysOfItself: async () => ({}),
    },
    checkIdToken: async (_, { issuer }) => ({
      ...{ iss: issuer, sub: 'u1', fhirUser: null, username: null },
    }),
    present: async (_, grant) => {
      grants.push(grant)
      return {
        ...{ accessToken: 'ACCESS', life: 300, scope: 'openid', kid: 'kid', sentAt: clock() },
        body: { id_token: 'ID', patient: 'p1', ...body },
      }
    },
    refuseExcess: () => {},
    keeper: openKeeper({ clock, vault, random: randomBytes }),
    audit: { record: async record => void records.push(record), close: async () => {} },
    ...parts,
  }
  const kept = async (): Promise<string[]> => {
    const names: string[] = []
    for await (const { key } of shelf.all()) names.push(key.split(':')[0] ?? '')
    return names.sort()
  }
  const finish = (answer: Record<string, string> = { state: 'STATE', code: 'CODE' }) =>
    finishLogin(
      {
        ...{ target: launchTarget({ service }), redirectUri: 'https://launch.example.com/cb' },
        ...{ answer: new Map(Object.entries(answer)), cookies: new Map(), session: undefined },
      },
      auditRecord({ action: 'login' }),
      ports,
    )
  return { finish, records, grants, kept, spent }
}

const failing = (code: 'audit_failed' | 'scope_exceeds_grant' | 'id_token_refused') => () => {
  throw new BrokerError(code)
}

test('the code is shown to the EHR with the verifier and the redirect URI, and what comes is kept', async () => {
  const { finish, records, grants, kept } = open()
  const { handOver } = await finish()
  expect(grants).toEqual([
    {
      ...{ grant_type: 'authorization_code', code: 'CODE', code_verifier: 'VERIFIER' },
      redirect_uri: 'https://launch.example.com/cb',
    },
  ])
  expect(handOver?.state).toBe('S')
  expect(await kept()).toEqual(['connection', 'session'])
  expect(records).toMatchObject([{ decision: 'granted', granted: { scope: 'openid', kid: 'kid' } }])
})

describe('nothing is kept', () => {
  test.each<[string, Partial<FinishPorts>, Record<string, unknown>, string]>([
    [
      'where the record fails',
      { audit: { record: failing('audit_failed'), close: async () => {} } },
      {},
      'audit_failed',
    ],
    [
      'where the EHR gives too much',
      { refuseExcess: failing('scope_exceeds_grant') },
      {},
      'scope_exceeds_grant',
    ],
    [
      'where the id_token is not to be trusted',
      { checkIdToken: failing('id_token_refused') },
      {},
      'id_token_refused',
    ],
    ['where there is none', {}, { id_token: undefined }, 'id_token_missing'],
    ['where the context is malformed', {}, { patient: 7 }, 'upstream_reply_malformed'],
    ['where the refresh token is malformed', {}, { refresh_token: 7 }, 'upstream_reply_malformed'],
  ])('%s', async (_, parts, body, code) => {
    const { finish, records, kept } = open(parts, body)
    const ended = await finish().then(
      () => 'done',
      error => asBrokerError(error).code,
    )
    expect([ended, await kept()]).toEqual([code, []])
    if (code !== 'audit_failed') expect(records).toMatchObject([{ decision: 'refused', code }])
  })
})

test('a state is not spent where the EHR cannot be asked, so that the browser may try again', async () => {
  const { finish, spent, grants } = open({
    issuers: {
      of: async () => {
        throw new BrokerError('issuer_unavailable')
      },
      keysOf: async () => ({ keys: [] }),
      saysOfItself: async () => ({}),
    },
  })
  await expect(finish()).rejects.toMatchObject({ code: 'issuer_unavailable' })
  expect([spent, grants]).toEqual([[], []])
})
