import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { METRICS } from '../../broker/metrics-table.ts'
import { folderWith } from '../support/keys.ts'
import { PROJECT } from '../support/processes.ts'

const DEPLOY = join(PROJECT, 'broker', 'deploy')
const RULES = join(DEPLOY, 'alerts.yaml')

interface Rule {
  alert: string
  expr: string
  labels: { severity: string }
  annotations: { summary: string; action: string }
}
const rules: Rule[] = parse(readFileSync(RULES, 'utf8')).groups.flatMap(
  (group: { rules: Rule[] }) => group.rules,
)

const promtool = (...args: string[]): string =>
  execFileSync('/usr/bin/promtool', args, { encoding: 'utf8', stdio: 'pipe' })

/** One sample a minute, as Prometheus writes series for its tests. */
type Series = Record<string, string>

const up = (name: string, labels: string): string => `${name}{instance="b",${labels}}`
const STATE = 'lockstep_upstream_state'
const REQUESTS = 'lockstep_requests_total'
const HANDOUTS = 'lockstep_handout_seconds'
const SLOW = (below: number, all: number): Series => ({
  [up(`${HANDOUTS}_bucket`, 'outcome="granted",le="0.1"')]: `0+${below}x60`,
  [up(`${HANDOUTS}_bucket`, 'outcome="granted",le="2.5"')]: `0+${all}x60`,
  [up(`${HANDOUTS}_bucket`, 'outcome="granted",le="+Inf"')]: `0+${all}x60`,
})

/** It rings for so many minutes, and not quite so long. */
const alarm = (name: string, minutes: number): { fires: Series; rests: Series } => {
  const series = up('lockstep_key_alarm', `environment="nonprod",alarm="${name}"`)
  return {
    fires: { [series]: `0x${29 - minutes} 1x30` },
    rests: minutes === 0 ? { [series]: '1x20 0x30' } : { [series]: `0x${30 - minutes} 1x30` },
  }
}

/** It began so many seconds before the alert rings, which waits so many minutes. */
const since = (name: string, labels: string, seconds: number, minutes: number) => {
  const began = (at: number): Series => ({
    [up(name, `environment="nonprod",${labels}`)]: `${at}x60`,
  })
  return {
    fires: began((29 - minutes) * 60 - seconds),
    rests: began((31 - minutes) * 60 - seconds),
  }
}

/** For each alert what sets it off after half an hour, and what is near it and does not. */
const CASES: Record<string, { fires: Series; rests: Series }> = {
  LockstepUpstreamNeverWorked: {
    fires: { [up(STATE, 'upstream="u",state="never_worked"')]: '1x60' },
    rests: {
      [up(STATE, 'upstream="u",state="never_worked"')]: '0x60',
      [up(STATE, 'upstream="v",state="never_worked"')]: '0x20 1x40',
      [up(STATE, 'upstream="u",state="untried"')]: '1x60',
    },
  },
  LockstepUpstreamFailing: {
    fires: { [up(STATE, 'upstream="u",state="failing"')]: '1x60' },
    rests: {
      [up(STATE, 'upstream="u",state="failing"')]: '1x25 0x2 1x60',
      [up(STATE, 'upstream="u",state="working"')]: '1x60',
    },
  },
  LockstepTokenEnding: {
    fires: {
      [up('lockstep_token_remaining_seconds', 'upstream="u"')]: '2000-60x60',
      [up(STATE, 'upstream="u",state="failing"')]: '1x60',
    },
    rests: {
      [up('lockstep_token_remaining_seconds', 'upstream="u"')]: '2000-60x60',
      [up(STATE, 'upstream="u",state="failing"')]: '0x60',
      [up('lockstep_token_remaining_seconds', 'upstream="v"')]: '3400x60',
      [up(STATE, 'upstream="v",state="failing"')]: '1x60',
    },
  },
  LockstepBreakerOpen: {
    fires: { [up('lockstep_breaker_open', 'upstream="u"')]: '1x60' },
    rests: { [up('lockstep_breaker_open', 'upstream="u"')]: '0x28 1x30' },
  },
  LockstepHandoutsFailing: {
    fires: {
      [up(`${HANDOUTS}_count`, 'outcome="granted"')]: '0+90x60',
      [up(`${HANDOUTS}_count`, 'outcome="failed"')]: '0+10x60',
    },
    rests: {
      [up(`${HANDOUTS}_count`, 'outcome="granted"')]: '0+98x60',
      [up(`${HANDOUTS}_count`, 'outcome="failed"')]: '0+2x60',
    },
  },
  LockstepHandoutsSlow: { fires: SLOW(90, 100), rests: SLOW(98, 100) },
  LockstepAuditFailing: {
    fires: { 'lockstep_audit_failures_total{instance="b"}': '0x28 1x30' },
    rests: { 'lockstep_audit_failures_total{instance="b"}': '7x60' },
  },
  LockstepClockDiffers: {
    fires: { [up('lockstep_upstream_clock_skew_seconds', 'upstream="u"')]: '-31x60' },
    rests: { [up('lockstep_upstream_clock_skew_seconds', 'upstream="u"')]: '30x60' },
  },
  LockstepStrangersRefused: {
    fires: { [up(REQUESTS, 'service="(unknown)",outcome="secret_wrong"')]: '0+20x60' },
    rests: {
      [up(REQUESTS, 'service="(unknown)",outcome="secret_wrong"')]: '0+5x60',
      [up(REQUESTS, 'service="billing",outcome="granted"')]: '0+500x60',
    },
  },
  LockstepServiceRefused: {
    fires: { [up(REQUESTS, 'service="billing",outcome="scope_not_granted"')]: '0+2x60' },
    rests: {
      [up(REQUESTS, 'service="billing",outcome="scope_not_granted"')]: '4x60',
      [up(REQUESTS, 'service="billing",outcome="granted"')]: '0+500x60',
      [up(REQUESTS, 'service="(unknown)",outcome="upstream_not_granted"')]: '0+2x60',
    },
  },
  LockstepConfigRefused: {
    fires: { 'lockstep_config_refused{instance="b"}': '0x20 1x30' },
    rests: { 'lockstep_config_refused{instance="b"}': '0x28 1x30' },
  },
  LockstepSigningKeyOld: {
    fires: {
      [up('lockstep_signing_key_since_timestamp_seconds', 'kid="k"')]: `-${401 * 86_400}x60`,
    },
    rests: {
      [up('lockstep_signing_key_since_timestamp_seconds', 'kid="k"')]: `-${399 * 86_400}x60`,
    },
  },
  LockstepKeyUnclaimed: alarm('key_unclaimed', 0),
  LockstepNoKey: alarm('no_key', 1),
  LockstepKeyNotLive: alarm('key_not_live', 5),
  LockstepRevokedKeyLive: alarm('revoked_live', 15),
  LockstepKeyUnproven: alarm('guard_unproven', 15),
  LockstepKeySetUnseen: alarm('watch_failing', 15),
  LockstepKeySetBlind: since('lockstep_key_set_seen_timestamp_seconds', '', 6 * 3600, 15),
  LockstepRotationWaits: since(
    'lockstep_rotation_waiting_timestamp_seconds',
    'step="propose",code="proposal_declined"',
    ...([3600, 5] as const),
  ),
  LockstepKeyNotPublished: since(
    'lockstep_key_state_since_timestamp_seconds',
    'kid="k",state="proposed"',
    ...([86_400, 15] as const),
  ),
  LockstepRotationSlow: since('lockstep_rotation_since_timestamp_seconds', '', 4 * 86_400, 15),
  LockstepKeyNamedOtherwise: alarm('key_published_otherwise', 15),
  LockstepRevocationUnheard: {
    fires: { [up('lockstep_revocations_unacknowledged', 'environment="nonprod"')]: '0x28 1x30' },
    rests: { [up('lockstep_revocations_unacknowledged', 'environment="nonprod"')]: '0x29 1x30' },
  },
  LockstepStoreAway: alarm('store_away', 5),
  LockstepStateNotSaved: alarm('state_not_saved', 5),
  LockstepFault: {
    fires: { [up(REQUESTS, 'service="billing",outcome="internal"')]: '_x25 1x30' },
    rests: {
      [up(REQUESTS, 'service="billing",outcome="internal"')]: '3x60',
      [up(REQUESTS, 'service="billing",outcome="upstream_timeout"')]: '0+1x60',
    },
  },
  LockstepGone: {
    fires: { 'something_else{instance="b"}': '1x60' },
    rests: { 'lockstep_audit_failures_total{instance="b"}': '0x60' },
  },
}

/** One file of promtool's: after half an hour the alert fires for so many series. */
function judged(alert: string, series: Series, firing: number): string {
  const file = join(folderWith(), 'test.yaml')
  const counted = `count(ALERTS{alertname="${alert}",alertstate="firing"}) or vector(0)`
  writeFileSync(
    file,
    stringify({
      rule_files: [RULES],
      evaluation_interval: '1m',
      tests: [
        {
          interval: '1m',
          input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
          promql_expr_test: [
            { expr: counted, eval_time: '30m', exp_samples: [{ labels: '{}', value: firing }] },
          ],
        },
      ],
    }),
  )
  return promtool('test', 'rules', file)
}

describe('the alert rules', () => {
  test('promtool takes them', () => {
    expect(promtool('check', 'rules', RULES)).toContain(`${rules.length} rules found`)
  })

  test('each has a case here, and each case is of a rule', () => {
    expect(Object.keys(CASES)).toEqual(rules.map(({ alert }) => alert))
  })

  test.each(Object.entries(CASES))('%s fires, and rests', (alert, { fires, rests }) => {
    judged(alert, fires, 1)
    judged(alert, rests, 0)
  })

  test.each(rules)('$alert says what happened, what to do and how urgent it is', rule => {
    expect(rule.annotations).toEqual({ summary: expect.any(String), action: expect.any(String) })
    expect(['page', 'ticket']).toContain(rule.labels.severity)
    expect(strangeNames(rule.expr)).toEqual([])
  })
})

describe('the Grafana dashboard', () => {
  const board = JSON.parse(readFileSync(join(DEPLOY, 'grafana.json'), 'utf8'))
  const panels: { id: number; title: string; targets: { expr: string }[] }[] = board.panels

  test('asks for metrics that there are, in words that Prometheus understands', () => {
    const asked = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))
    expect(asked.length).toBeGreaterThan(10)
    expect(asked.flatMap(strangeNames)).toEqual([])
    const file = join(folderWith(), 'rules.yaml')
    const recorded = asked.map((expr, at) => ({
      record: `asked_${at}`,
      expr: expr.replaceAll('$__rate_interval', '5m').replace(/\$\w+/g, '.*'),
    }))
    writeFileSync(file, stringify({ groups: [{ name: 'asked', rules: recorded }] }))
    expect(promtool('check', 'rules', file)).toContain(`${asked.length} rules found`)
  })

  test('has panels that lie beside each other, each with a title and what it means', () => {
    const taken = new Set<string>()
    for (const { id, title, gridPos, description } of board.panels) {
      expect([title, description]).toEqual([
        expect.stringMatching(/\w/),
        expect.stringMatching(/\.$/),
      ])
      const cells = Array.from({ length: gridPos.w * gridPos.h }, (_, at) => [
        ...[gridPos.x + (at % gridPos.w), gridPos.y + Math.floor(at / gridPos.w)],
      ]).map(String)
      expect(cells.filter(cell => taken.has(cell) || Number(cell.split(',')[0]) > 23)).toEqual([])
      for (const cell of cells) taken.add(cell)
      expect(id).toBeGreaterThan(0)
    }
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
  })
})

test('every metric is in a rule or on the Grafana dashboard', () => {
  const used = ['alerts.yaml', 'grafana.json'].map(name => readFileSync(join(DEPLOY, name), 'utf8'))
  expect(Object.keys(METRICS).filter(name => !used.join('').includes(name))).toEqual([])
})

const SUFFIXES = /_(bucket|count|sum)$/

/** The names in an expression that are no metric of ours. */
const strangeNames = (expr: string): string[] =>
  (expr.match(/\blockstep_\w+/g) ?? []).filter(
    name => !Object.hasOwn(METRICS, name) && !Object.hasOwn(METRICS, name.replace(SUFFIXES, '')),
  )
