import type { Row } from './errors.ts'

const operator = (status: number, says: string) =>
  ({ blame: 'caller', status, oauth: 'invalid_request', says }) as const satisfies Row
const ours = (says: string) =>
  ({ blame: 'us', status: 500, oauth: 'server_error', says }) as const satisfies Row

/** What an operator's command about keys is refused for, and what a rotation waits for. */
export const KEY_ERRORS = {
  environment_unknown: operator(404, 'The config has no keys of this environment.'),
  key_unknown: operator(404, 'There is no such key here, and none in the live set.'),
  reason_unusable: operator(
    400,
    'The reason must be 1 to 500 characters, without private material.',
  ),
  request_cross_site: operator(403, 'The request comes from a page of another site.'),
  rotation_unwatched: operator(409, 'Without jwksUrl nobody sees when a new key is live.'),
  key_needed: operator(409, 'The key may not go yet.'),
  releaser_missing: operator(409, 'No other live key is here that could release it.'),
  private_key_needed: ours(
    'The key folder cannot be written: a new private key must be put there.',
  ),
  publish_by_hand: ours('No repository is configured: the change must be published by hand.'),
  proposal_declined: ours('The pull request was closed: it goes on when it is reopened.'),
  proposal_failed: ours('The pull request could not be made.'),
  store_unwritable: ours('The store that the brokers share cannot be written.'),
  rotation_elsewhere: ours('Another broker carries the rotations on.'),
  withdrawal_overtaken: ours('A key is needed again that was to go: stop its removal.'),
} as const satisfies Record<string, Row>
