import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { ALARMS } from '../../broker/alarm-table.ts'
import type { Audit } from '../../broker/audit.ts'
import { BrokerError } from '../../broker/errors.ts'
import { openMetrics } from '../../broker/metrics.ts'
import { METRICS } from '../../broker/metrics-table.ts'
import type { Obtained } from '../../broker/tokens/obtain.ts'
import type { UpstreamToken } from '../../broker/upstream/exchange.ts'
import { auditRecord } from '../support/audit.ts'
import { movedClock } from '../support/clock.ts'
import { environmentStatus, keyStatus, statusWith, upstreamStatus } from '../support/status.ts'
import { upstream } from '../support/upstream.ts'

const EMPTY = statusWith()

function measured() {
  const clock = movedClock()
  const metrics = openMetrics(clock.clock)
  const lines = async (status = EMPTY): Promise<string[]> =>
    (await metrics.text(status)).split('\n').filter(line => line !== '' && !line.startsWith('#'))
  const line = async (start: string, status = EMPTY): Promise<string | undefined> =>
    (await lines(status)).find(each => each.startsWith(start))
  return { clock, metrics, lines, line }
}

const audit = (record: Audit['record'] = async () => {}): Audit => ({
  record,
  close: async () => {},
})

test('each decision counts once, by who asked, for where, and how it ended', async () => {
  const { metrics, lines } = measured()
  const { record } = metrics.watchAudit(audit())
  const granted = { decision: 'granted', code: null, service: 'billing', upstream: 'ehr' } as const
  await record(auditRecord(granted))
  await record(auditRecord(granted))
  await record(auditRecord({ service: 'billing', code: 'upstream_not_granted' }))
  await record(auditRecord({ ...granted, action: 'report' }))
  expect((await lines()).filter(line => line.startsWith('lockstep_requests_total'))).toEqual([
    'lockstep_requests_total{action="token",service="billing",upstream="ehr",outcome="granted"} 2',
    'lockstep_requests_total{action="token",service="billing",upstream="(none)",outcome="upstream_not_granted"} 1',
    'lockstep_requests_total{action="report",service="billing",upstream="ehr",outcome="granted"} 1',
  ])
})

test('what is given beyond a grant counts by what it would have been refused with', async () => {
  const { metrics, lines } = measured()
  const { record } = metrics.watchAudit(audit())
  const granted = { decision: 'granted', code: null, service: 'billing', upstream: 'ehr' } as const
  await record(auditRecord(granted))
  await record(auditRecord({ ...granted, tolerated: 'scope_not_granted' }))
  expect((await lines()).filter(line => line.startsWith('lockstep_tolerated_total'))).toEqual([
    'lockstep_tolerated_total{service="billing",upstream="ehr",code="scope_not_granted"} 1',
  ])
})

test('however many strangers come with whatever names, they share one series', async () => {
  const { metrics, lines } = measured()
  const { record } = metrics.watchAudit(audit())
  const before = (await lines()).length
  for (let at = 0; at < 50; at++) await record(auditRecord({ claimed: `stranger-${at}` }))
  expect((await lines()).length).toBe(before + 1)
  expect((await lines()).join('\n')).not.toContain('stranger')
})

test('a decision that could not be recorded counts as that, and the refusal goes on', async () => {
  const { metrics, line } = measured()
  expect(await line('lockstep_audit_failures_total')).toBe('lockstep_audit_failures_total 0')
  const { record } = metrics.watchAudit(
    audit(() => Promise.reject(new BrokerError('audit_failed'))),
  )
  await expect(record(auditRecord({ decision: 'granted', code: null }))).rejects.toMatchObject({
    code: 'audit_failed',
  })
  expect(await line('lockstep_audit_failures_total')).toBe('lockstep_audit_failures_total 1')
  expect(await line('lockstep_requests_total')).toContain('outcome="audit_failed"} 1')
})

test('what the cache had is a hit, and what was fetched or refused a miss', async () => {
  const { metrics, lines } = measured()
  const need = { upstream: upstream({ id: 'ehr' }), scopes: [], minimumTtl: 0 }
  const from = (source: Obtained['source']) =>
    metrics.watchObtain(async () => ({ source }) as Obtained)(need)
  await from('cache')
  await from('cache')
  await from('upstream')
  await from('shared')
  const refuse = metrics.watchObtain(() =>
    Promise.reject(new BrokerError('upstream_invalid_client')),
  )
  await expect(refuse(need)).rejects.toMatchObject({ code: 'upstream_invalid_client' })
  expect((await lines()).filter(line => line.startsWith('lockstep_cache'))).toEqual([
    'lockstep_cache_lookups_total{upstream="ehr",result="hit"} 2',
    'lockstep_cache_lookups_total{upstream="ehr",result="miss"} 2',
    'lockstep_cache_lookups_total{upstream="ehr",result="shared"} 1',
  ])
})

test('each call to an EHR is timed by the clock that nobody sets, and told by its outcome', async () => {
  const { clock, metrics, line } = measured()
  const slow = metrics.watchExchange(async () => {
    clock.advance(2)
    clock.setWallBy(-500)
    return {} as UpstreamToken
  })
  await slow(upstream({ id: 'ehr' }), [])
  const fails = metrics.watchExchange(() => Promise.reject(new BrokerError('upstream_timeout')))
  await expect(fails(upstream({ id: 'ehr' }), [])).rejects.toMatchObject({
    code: 'upstream_timeout',
  })
  const name = 'lockstep_upstream_call_seconds'
  expect(await line(`${name}_sum{upstream="ehr",outcome="granted"}`)).toMatch(/ 2$/)
  expect(await line(`${name}_bucket{le="1",upstream="ehr",outcome="granted"}`)).toMatch(/ 0$/)
  expect(await line(`${name}_bucket{le="2.5",upstream="ehr",outcome="granted"}`)).toMatch(/ 1$/)
  expect(await line(`${name}_count{upstream="ehr",outcome="upstream_timeout"}`)).toMatch(/ 1$/)
})

test.each([
  [200, 'granted'],
  [400, 'refused'],
  [401, 'refused'],
  [502, 'failed'],
  [503, 'failed'],
])('a reply of status %d is %s, in seconds', async (status, outcome) => {
  const { metrics, line } = measured()
  const sum = `lockstep_handout_seconds_sum{outcome="${outcome}"}`
  expect(await line(sum)).toBe(`${sum} 0`)
  metrics.handedOut(status, 250)
  expect(await line(sum)).toBe(`${sum} 0.25`)
})

const token = (expiresIn: number) => ({ scope: 's', life: 3600, expiresIn, refreshIn: 0 })

test('what stands now is as the status says', async () => {
  const { lines } = measured()
  const status = statusWith([
    upstreamStatus({
      ...{ id: 'up', state: 'working', lastSuccess: '2026-11-25T11:00:00.500Z', kid: 'k' },
      ...{ skew: -7, breaker: 'closed', tokens: [token(900), token(60)] },
    }),
    upstreamStatus({ id: 'down', state: 'never_worked', breaker: 'half_open', kid: null }),
  ])
  const now = (await lines(status)).filter(each => /"(up|down)"/.test(each))
  expect(now.sort()).toEqual(
    [
      'lockstep_upstream_state{upstream="up",state="working"} 1',
      'lockstep_upstream_state{upstream="up",state="failing"} 0',
      'lockstep_upstream_state{upstream="up",state="never_worked"} 0',
      'lockstep_upstream_state{upstream="up",state="untried"} 0',
      'lockstep_upstream_state{upstream="down",state="working"} 0',
      'lockstep_upstream_state{upstream="down",state="failing"} 0',
      'lockstep_upstream_state{upstream="down",state="never_worked"} 1',
      'lockstep_upstream_state{upstream="down",state="untried"} 0',
      'lockstep_upstream_last_success_timestamp_seconds{upstream="up"} 1795604400.5',
      'lockstep_upstream_last_success_timestamp_seconds{upstream="down"} 0',
      'lockstep_upstream_clock_skew_seconds{upstream="up"} -7',
      'lockstep_breaker_open{upstream="up"} 0',
      'lockstep_breaker_open{upstream="down"} 1',
      'lockstep_token_remaining_seconds{upstream="up"} 60',
      'lockstep_signing_key_info{upstream="up",environment="production",kid="k"} 1',
    ].sort(),
  )
})

test('a key that signs has an age, whoever it signs for; none without a key', async () => {
  const { lines } = measured()
  const status = statusWith([
    upstreamStatus({ id: 'a', kid: 'k', keySince: '2026-11-25T11:00:00.500Z' }),
    upstreamStatus({ id: 'b', kid: 'k', keySince: '2026-11-25T11:00:00.500Z' }),
    upstreamStatus({ id: 'c', kid: null, keySince: null }),
  ])
  const found = (await lines(status)).filter(each => each.startsWith('lockstep_signing_key_since'))
  expect(found).toEqual([
    'lockstep_signing_key_since_timestamp_seconds{environment="production",kid="k"} 1795604400.5',
  ])
})

test('a key that is here shows whether it is live and for how many it signs, and a stranger’s kid makes no series', async () => {
  const { lines } = measured()
  const status = statusWith([], {
    keys: [environmentStatus({ keys: [keyStatus(), keyStatus({ kid: 'strange', here: false })] })],
  })
  const shown = (await lines(status)).filter(each => each.startsWith('lockstep_key'))
  expect(shown.filter(each => each.includes('kid='))).toEqual([
    'lockstep_key_live{environment="production",kid="kid-1"} 1',
    'lockstep_key_upstreams{environment="production",kid="kid-1"} 3',
    'lockstep_key_state_since_timestamp_seconds{environment="production",kid="kid-1",state="signing"} 1793577600',
  ])
  expect(shown).toContain(
    'lockstep_key_set_seen_timestamp_seconds{environment="production"} 1795607940',
  )
})

test('every alarm is a series, 1 while it rings', async () => {
  const { lines } = measured()
  const code = 'key_unclaimed'
  const alarms = [
    { code, says: ALARMS[code], since: '2026-11-25T11:00:00Z', about: ['k'] } as const,
  ]
  const status = statusWith([], { keys: [environmentStatus({ alarms })] })
  const shown = (await lines(status)).filter(each => each.startsWith('lockstep_key_alarm'))
  expect(shown).toHaveLength(Object.keys(ALARMS).length)
  expect(shown.filter(each => each.endsWith(' 1'))).toEqual([
    'lockstep_key_alarm{environment="production",alarm="key_unclaimed"} 1',
  ])
})

test('where nobody looks at the set, no key is said to be live or not', async () => {
  const { lines } = measured()
  const unwatched = environmentStatus({ jwksUrl: null, lastTold: null, keys: [keyStatus()] })
  const shown = await lines(statusWith([], { keys: [unwatched] }))
  expect(shown.filter(each => /key_live|set_seen/.test(each))).toEqual([])
})

test('a config that is not taken shows until one is', async () => {
  const { line } = measured()
  const refused = statusWith([], {
    configRefused: { time: '2026-11-25T12:00:00Z', complaints: [] },
  })
  expect(await line('lockstep_config_refused', refused)).toBe('lockstep_config_refused 1')
  expect(await line('lockstep_config_refused')).toBe('lockstep_config_refused 0')
})

test('what has gone from the status is gone from the metrics', async () => {
  const { lines } = measured()
  await lines(statusWith([upstreamStatus({ id: 'old', tokens: [token(900)] })]))
  const now = await lines(statusWith([upstreamStatus({ id: 'new' })]))
  expect(now.filter(each => each.includes('"old"'))).toEqual([])
})

test('promtool finds nothing to say of their names, types and words, and each row of the table is there', async () => {
  const { metrics } = measured()
  const text = await metrics.text(statusWith([upstreamStatus()]))
  execFileSync('/usr/bin/promtool', ['check', 'metrics'], { input: text, stdio: 'pipe' })
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type])
  expect(types.sort()).toEqual(
    Object.entries(METRICS)
      .map(([name, { type }]) => [name, type])
      .sort(),
  )
})

test('a rotation shows since when it goes on, and since when a step of it waits for somebody', async () => {
  const { lines } = measured()
  const rotation = { because: 'schedule', proposal: null, kid: null, alg: 'RS384' } as const
  const note = (code: 'proposal_declined' | 'upstream_timeout', since: string) => ({
    ...{ code, says: code, facts: {}, since },
  })
  const at = (hour: number) => `2026-11-25T0${hour}:00:00.000Z`
  const keys = [
    environmentStatus({
      keys: [
        keyStatus({ state: 'proposed', since: at(2) }),
        keyStatus({ kid: 'a-strangers', here: false }),
      ],
      rotations: [
        { ...rotation, id: '1', role: 'signer', asked: at(1) },
        { ...rotation, id: '2', role: 'signer', asked: at(3) },
      ],
      steps: [
        { do: 'propose', about: 'a', waitsFor: note('proposal_declined', at(4)) },
        { do: 'propose', about: 'b', waitsFor: note('proposal_declined', at(5)) },
        { do: 'make', about: 'RS384', waitsFor: null },
        { do: 'ask', about: 'ehr', waitsFor: note('upstream_timeout', at(1)) },
      ],
    }),
  ]
  const shown = (await lines(statusWith([], { keys }))).filter(each =>
    /^lockstep_(rotation|key_state)/.test(each),
  )
  const seconds = (hour: number) => Date.parse(at(hour)) / 1000
  expect(shown).toEqual([
    `lockstep_key_state_since_timestamp_seconds{environment="production",kid="kid-1",state="proposed"} ${seconds(2)}`,
    `lockstep_rotation_since_timestamp_seconds{environment="production",alg="RS384",role="signer"} ${seconds(1)}`,
    `lockstep_rotation_waiting_timestamp_seconds{environment="production",step="propose",code="proposal_declined"} ${seconds(4)}`,
  ])
})
