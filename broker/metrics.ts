import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { ALARMS, type AlarmCode } from './alarm-table.ts'
import type { Audit, AuditRecord } from './audit.ts'
import type { Clock, Instant } from './clock.ts'
import { asBrokerError } from './errors.ts'
import type { KeyOverview } from './keys/overview.ts'
import { METRICS } from './metrics-table.ts'
import type { Status, UpstreamStatus } from './status.ts'
import type { Obtain } from './tokens/obtain.ts'
import type { Upstream } from './upstream/upstream.ts'

/** What is counted for Prometheus, by standing between two rooms; none of it changes what passes. */
export interface Metrics {
  /** Counts each decision, and each that could not be recorded. */
  watchAudit: (audit: Audit) => Audit
  /** Counts what the cache had and had not. */
  watchObtain: (obtain: Obtain) => Obtain
  /** Times each call to an EHR. */
  watchExchange: <Call extends [upstream: Upstream, ...unknown[]], T>(
    exchange: (...call: Call) => Promise<T>,
  ) => (...call: Call) => Promise<T>
  /** Told of each reply to a token request. */
  handedOut: (status: number, milliseconds: number) => void
  /** All of it, in Prometheus' text form; what stands now is taken from the status. */
  text: (status: Status) => Promise<string>
  contentType: string
}

/** No id has a parenthesis: whoever nobody knows shares one label. */
const UNKNOWN = '(unknown)'
const NONE = '(none)'
const ALARM_CODES = Object.keys(ALARMS) as AlarmCode[]
const OUTCOMES = ['granted', 'refused', 'failed'] as const
const STATES: readonly UpstreamStatus['state'][] = ['working', 'failing', 'never_worked', 'untried']

export function openMetrics(clock: Clock): Metrics {
  const registry = new Registry()
  const counted = counters(registry)
  const gauges = openGauges(registry)
  for (const outcome of OUTCOMES) counted.handouts.zero({ outcome })
  return {
    watchAudit: audit => ({
      ...audit,
      record: async record => {
        try {
          await audit.record(record)
          counted.requests.inc(labelsOf(record))
          const { service, upstream, tolerated: code } = record
          if (service !== null && upstream !== null && code !== null)
            counted.tolerated.inc({ service, upstream, code })
        } catch (error) {
          counted.requests.inc({ ...labelsOf(record), outcome: asBrokerError(error).code })
          counted.auditFailures.inc()
          throw error
        }
      },
    }),
    watchObtain: obtain => async need => {
      const looked = (result: 'hit' | 'shared' | 'miss') =>
        counted.lookups.inc({ upstream: need.upstream.id, result })
      try {
        const obtained = await obtain(need)
        looked(LOOKED[obtained.source])
        return obtained
      } catch (error) {
        looked('miss')
        throw error
      }
    },
    watchExchange:
      exchange =>
      async (...call) => {
        const [{ id: upstream }] = call
        const began = clock()
        const ended = (outcome: string) =>
          counted.calls.observe({ upstream, outcome }, secondsSince(began, clock()))
        try {
          const token = await exchange(...call)
          ended('granted')
          return token
        } catch (error) {
          ended(asBrokerError(error).code)
          throw error
        }
      },
    handedOut: (status, milliseconds) =>
      counted.handouts.observe({ outcome: outcomeOf(status) }, milliseconds / 1000),
    text: status => {
      gauges.show(status)
      return registry.metrics()
    },
    contentType: registry.contentType,
  }
}

const labelsOf = ({ action, service, upstream, decision, code }: AuditRecord) => ({
  action,
  service: service ?? UNKNOWN,
  upstream: upstream ?? NONE,
  outcome: code ?? decision,
})

const LOOKED = { cache: 'hit', shared: 'shared', upstream: 'miss' } as const

const outcomeOf = (status: number): (typeof OUTCOMES)[number] =>
  status < 400 ? 'granted' : status < 500 ? 'refused' : 'failed'

/** Of ISO 8601, since the epoch. */
const secondsOf = (time: string): number => Date.parse(time) / 1000

const secondsSince = (began: Instant, now: Instant): number =>
  (now.monotonic - began.monotonic) / 1000

type Name = keyof typeof METRICS

function settingsOf(name: Name, registry: Registry) {
  const { help, labels } = METRICS[name]
  return { name, help, labelNames: [...labels], registers: [registry] }
}

function counters(registry: Registry) {
  const counter = (name: Name) => new Counter<string>(settingsOf(name, registry))
  const histogram = (name: 'lockstep_handout_seconds' | 'lockstep_upstream_call_seconds') =>
    new Histogram<string>({
      ...settingsOf(name, registry),
      buckets: [...METRICS[name].buckets],
    })
  return {
    requests: counter('lockstep_requests_total'),
    tolerated: counter('lockstep_tolerated_total'),
    lookups: counter('lockstep_cache_lookups_total'),
    auditFailures: counter('lockstep_audit_failures_total'),
    handouts: histogram('lockstep_handout_seconds'),
    calls: histogram('lockstep_upstream_call_seconds'),
  }
}

/** What stands now, written anew for each look, so that what is gone from the config is gone here. */
function openGauges(registry: Registry): { show: (status: Status) => void } {
  const gauge = (name: Name) => new Gauge<string>(settingsOf(name, registry))
  const configRefused = gauge('lockstep_config_refused')
  const state = gauge('lockstep_upstream_state')
  const lastSuccess = gauge('lockstep_upstream_last_success_timestamp_seconds')
  const skew = gauge('lockstep_upstream_clock_skew_seconds')
  const breaker = gauge('lockstep_breaker_open')
  const remaining = gauge('lockstep_token_remaining_seconds')
  const key = gauge('lockstep_signing_key_info')
  const keySince = gauge('lockstep_signing_key_since_timestamp_seconds')
  const alarm = gauge('lockstep_key_alarm')
  const live = gauge('lockstep_key_live')
  const signsFor = gauge('lockstep_key_upstreams')
  const setSeen = gauge('lockstep_key_set_seen_timestamp_seconds')
  const keyState = gauge('lockstep_key_state_since_timestamp_seconds')
  const rotation = gauge('lockstep_rotation_since_timestamp_seconds')
  const waiting = gauge('lockstep_rotation_waiting_timestamp_seconds')
  const brokers = gauge('lockstep_brokers')
  const unheard = gauge('lockstep_revocations_unacknowledged')
  const showRotations = ({ environment, rotations, steps }: KeyOverview): void => {
    const latestFirst = <T>(times: T[], of: (each: T) => string): T[] =>
      times.toSorted((a, b) => of(b).localeCompare(of(a)))
    // Of several with the same labels the earliest is set last, and stays.
    for (const { alg, role, asked } of latestFirst(rotations, each => each.asked))
      rotation.set({ environment, alg, role }, secondsOf(asked))
    const waits = steps.flatMap(({ do: step, waitsFor }) =>
      waitsFor === null || step === 'ask' ? [] : [{ step, ...waitsFor }],
    )
    for (const { step, code, since } of latestFirst(waits, each => each.since))
      waiting.set({ environment, step, code }, secondsOf(since))
  }
  const showReplicas = ({ environment, replicas }: KeyOverview): void => {
    if (replicas.length === 0) return
    brokers.set(
      { environment },
      replicas.filter(({ is }) => is === 'here' || is === 'heard').length,
    )
    unheard.set({ environment }, replicas.flatMap(({ lacks }) => lacks).length)
  }
  const showKeys = ({ environment, jwksUrl, lastTold, alarms, keys }: KeyOverview): void => {
    for (const name of ALARM_CODES)
      alarm.set({ environment, alarm: name }, alarms.some(({ code }) => code === name) ? 1 : 0)
    if (jwksUrl !== null) setSeen.set({ environment }, lastTold === null ? 0 : secondsOf(lastTold))
    // The kid of a key that is not here is made by whoever publishes it: such keys are no series.
    for (const { kid, liveSince, signsFor: count, state, since } of keys.filter(
      ({ here }) => here,
    )) {
      if (jwksUrl !== null) live.set({ environment, kid }, liveSince === null ? 0 : 1)
      signsFor.set({ environment, kid }, count)
      keyState.set({ environment, kid, state }, since === null ? 0 : secondsOf(since))
    }
  }
  const showOne = (one: UpstreamStatus): void => {
    const { id: upstream, environment, kid } = one
    for (const each of STATES) state.set({ upstream, state: each }, each === one.state ? 1 : 0)
    const last = one.lastSuccess === null ? 0 : secondsOf(one.lastSuccess)
    lastSuccess.set({ upstream }, last)
    if (one.skew !== null) skew.set({ upstream }, one.skew)
    breaker.set({ upstream }, one.breaker === 'closed' ? 0 : 1)
    const lives = one.tokens.map(each => each.expiresIn)
    if (lives.length > 0) remaining.set({ upstream }, Math.min(...lives))
    if (kid !== null) key.set({ upstream, environment, kid }, 1)
    if (kid !== null && one.keySince !== null)
      keySince.set({ environment, kid }, secondsOf(one.keySince))
  }
  return {
    show: ({ configRefused: refused, upstreams, keys }) => {
      configRefused.set(refused === null ? 0 : 1)
      for (const each of [state, lastSuccess, skew, breaker, remaining, key, keySince]) each.reset()
      for (const each of [alarm, live, signsFor, setSeen, keyState, rotation, waiting]) each.reset()
      for (const each of [brokers, unheard]) each.reset()
      upstreams.forEach(showOne)
      keys.forEach(showKeys)
      keys.forEach(showRotations)
      keys.forEach(showReplicas)
    },
  }
}
