import { expect, test } from 'vitest'
import type { Publication } from '../../keys-pipeline/history.ts'
import type { Look } from '../../keys-pipeline/published.ts'
import { standingOf } from '../../keys-pipeline/standing.ts'
import { codes, ecJwk, published } from '../support/keys.ts'

const [live, recorded] = [published(ecJwk()), published(ecJwk('P-256', 1))]
const URL_THEN = 'https://old.example/x.json'
const URL_NEXT = 'https://new.example/x.json'
const none = { url: URL_THEN, keys: [] }
const history = (keys = [recorded]): Publication[] => [
  { sha: 'a', since: 0, sets: { nonprod: { url: URL_THEN, keys }, production: none } },
]

const answer = (more: Partial<Look>): Look => ({
  ...{ url: '', failure: null, status: 200, took: 0, body: Buffer.alloc(0) },
  headers: { 'content-type': 'application/json' },
  ...more,
})
const SET = answer({ body: Buffer.from(JSON.stringify({ keys: [live.jwk] })) })
const [MISSING, DOWN] = [answer({ status: 404 }), answer({ failure: 'unreachable' })]

test.each<
  [string, Publication[] | null, Look, { kid: string | null; codes: string[]; url: string }]
>([
  ['what is fetched is live', history(), SET, { kid: live.jwk.kid, codes: [], url: URL_THEN }],
  ['so it is without a record', null, SET, { kid: live.jwk.kid, codes: [], url: URL_NEXT }],
  [
    'the record stands in for a host that is down',
    history(),
    DOWN,
    { kid: recorded.jwk.kid, codes: [], url: URL_THEN },
  ],
  [
    'and for a site that was lost',
    history(),
    MISSING,
    { kid: recorded.jwk.kid, codes: [], url: URL_THEN },
  ],
  ['nothing was ever published', [], DOWN, { kid: null, codes: [], url: URL_NEXT }],
  ['nothing of this environment was', history([]), DOWN, { kid: null, codes: [], url: URL_THEN }],
  [
    'nothing is there, and nobody knows of more',
    null,
    MISSING,
    { kid: null, codes: [], url: URL_NEXT },
  ],
  ['nobody knows', null, DOWN, { kid: null, codes: ['live_unreachable'], url: URL_NEXT }],
])('%s', async (_, past, look, expected) => {
  const asked: string[] = []
  const { live: found, findings } = await standingOf('nonprod', URL_NEXT, past, async url => {
    asked.push(url)
    return look
  })
  expect({ kid: found?.keys[0]?.jwk.kid ?? null, codes: codes(findings), url: asked[0] }).toEqual(
    expected,
  )
})
