/** What should not be about an environment's keys, the gravest first, with what it means. */
export const ALARMS = {
  key_unclaimed: 'a live key has no private half here, and nobody is named who has it',
  no_key: 'no key can sign',
  key_not_live: 'a key that signs is not in the live set',
  revoked_live: 'a key that was revoked is still in the live set',
  guard_unproven: 'a key signs of which nothing proves for how long it has been live',
  key_published_otherwise: 'the live set has a key under another kid or alg than its file',
  watch_failing: 'the live set cannot be seen',
  store_away: 'what other brokers revoke cannot be read, or they cannot hear of this one',
  state_not_saved: 'what was seen and signed cannot be saved',
} as const

export type AlarmCode = keyof typeof ALARMS
