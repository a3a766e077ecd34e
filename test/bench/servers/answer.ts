/** What the servers that only answer do answer: bytes as the broker's, with a token of the length of Epic's. */
export const ANSWER = JSON.stringify({
  access_token: 'x'.repeat(800),
  token_type: 'Bearer',
  expires_in: 3300,
  scope: 'system/Patient.read',
})

export const HEADERS = {
  'content-type': 'application/json; charset=utf-8',
  'cache-control': 'no-store',
  pragma: 'no-cache',
} as const
