interface Row {
  type: 'counter' | 'gauge' | 'histogram'
  labels: readonly string[]
  help: string
  /** Upper bounds of a histogram, in seconds. */
  buckets?: readonly number[]
}

/**
 * Every metric, a row each. Names are stable: alert rules, dashboards and the manual have them. Labels come from the
 * config and from our own codes, never from what a caller sends, so that nobody can make series grow.
 */
export const METRICS = {
  lockstep_requests_total: {
    type: 'counter',
    labels: ['action', 'service', 'upstream', 'outcome'],
    help: 'Decisions: token requests, reports, logins of users, what services do with their connections, and an operator’s looks at FHIR servers, `granted` or by the code they were refused with.',
  },
  lockstep_tolerated_total: {
    type: 'counter',
    labels: ['service', 'upstream', 'code'],
    help: 'Tokens given beyond a grant, since the policy of the service is only recorded (`mode: audit`), by the code that it would have been.',
  },
  lockstep_handout_seconds: {
    type: 'histogram',
    labels: ['outcome'],
    help: 'How long a token request took as the service sees it: `granted`, `refused` (4xx) or `failed` (5xx).',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1, 2.5, 5, 15],
  },
  lockstep_upstream_call_seconds: {
    type: 'histogram',
    labels: ['upstream', 'outcome'],
    help: 'How long one call to an EHR took, each attempt for itself: `granted`, or the code of its failure.',
    buckets: [0.1, 0.25, 0.5, 1, 2.5, 5, 15],
  },
  lockstep_cache_lookups_total: {
    type: 'counter',
    labels: ['upstream', 'result'],
    help: 'Tokens looked for: `hit` where one was held, `shared` where another broker had it, `miss` where the EHR had to be asked or had refused.',
  },
  lockstep_audit_failures_total: {
    type: 'counter',
    labels: [],
    help: 'Decisions that could not be recorded, and were refused for it.',
  },
  lockstep_config_refused: {
    type: 'gauge',
    labels: [],
    help: '1 while the config that is there is not taken, and the one before goes on.',
  },
  lockstep_upstream_state: {
    type: 'gauge',
    labels: ['upstream', 'state'],
    help: '1 for the state that the EHR is in (`working`, `failing`, `never_worked`, `untried`), 0 for the others.',
  },
  lockstep_upstream_last_success_timestamp_seconds: {
    type: 'gauge',
    labels: ['upstream'],
    help: 'When the EHR last gave a token, in seconds since the epoch; 0 for never.',
  },
  lockstep_upstream_clock_skew_seconds: {
    type: 'gauge',
    labels: ['upstream'],
    help: 'Seconds by which its clock is ahead of ours; absent where it never told.',
  },
  lockstep_breaker_open: {
    type: 'gauge',
    labels: ['upstream'],
    help: '1 while the EHR is left alone after failures in a row, until a call works again.',
  },
  lockstep_token_remaining_seconds: {
    type: 'gauge',
    labels: ['upstream'],
    help: 'Seconds that its token still lives, the shortest where several are held; absent where none is.',
  },
  lockstep_signing_key_info: {
    type: 'gauge',
    labels: ['upstream', 'environment', 'kid'],
    help: '1 for the key that signs for the EHR; absent where there is none.',
  },
  lockstep_signing_key_since_timestamp_seconds: {
    type: 'gauge',
    labels: ['environment', 'kid'],
    help: 'When a key that signs was made, as far as is known, in seconds since the epoch: its age.',
  },
  lockstep_key_alarm: {
    type: 'gauge',
    labels: ['environment', 'alarm'],
    help: '1 while an alarm about the keys rings, 0 while it does not; what each means: Which key signs.',
  },
  lockstep_key_live: {
    type: 'gauge',
    labels: ['environment', 'kid'],
    help: '1 while a key that is here is in the live set by the last look that could tell, 0 while it is not; absent where nobody looks.',
  },
  lockstep_key_upstreams: {
    type: 'gauge',
    labels: ['environment', 'kid'],
    help: 'For how many EHRs a key that is here signs.',
  },
  lockstep_key_set_seen_timestamp_seconds: {
    type: 'gauge',
    labels: ['environment'],
    help: 'When a look at the live set could last tell anything, in seconds since the epoch; 0 for never, absent where nobody looks.',
  },
  lockstep_key_state_since_timestamp_seconds: {
    type: 'gauge',
    labels: ['environment', 'kid', 'state'],
    help: 'Since when a key that is here has been in the state that it is in, in seconds since the epoch; 0 where nobody knows.',
  },
  lockstep_rotation_since_timestamp_seconds: {
    type: 'gauge',
    labels: ['environment', 'alg', 'role'],
    help: 'When a rotation that is under way was begun, in seconds since the epoch, the earliest where there are several; absent where none is.',
  },
  lockstep_rotation_waiting_timestamp_seconds: {
    type: 'gauge',
    labels: ['environment', 'step', 'code'],
    help: 'Since when a step of a rotation has waited for somebody, or has failed, by the code that the log has; absent where none does. EHRs that do not take a key are in `lockstep_upstream_state`.',
  },
  lockstep_brokers: {
    type: 'gauge',
    labels: ['environment'],
    help: 'Brokers on the same store that were heard of in the last five minutes, this one counted; absent without `sharedCache`.',
  },
  lockstep_revocations_unacknowledged: {
    type: 'gauge',
    labels: ['environment'],
    help: 'Revocations that another broker has not acknowledged, so that it may still sign with the key; absent without `sharedCache`.',
  },
} as const satisfies Record<string, Row>
