import { readFile } from 'node:fs/promises'
import type { Dispatcher } from 'undici'
import { fetchThrough } from '../../keys-pipeline/published.ts'
import { type CallerKey, readCallerKeys } from '../caller-keys.ts'
import type { KeyUrl } from './access.ts'

/** The keys at a URL as they are now; null where there is no key set to be had. */
export type FetchKeys = (source: KeyUrl) => Promise<readonly CallerKey[] | null>

/** Seconds; a request may be waiting for it. */
const DEADLINE = 5

/**
 * One bounded look, over a connection of its own, without following redirects. `open` makes the way out, which trusts
 * those authorities; `elapsed` is a clock in milliseconds.
 */
export function fetchKeysWith(
  open: (ca: string | null) => Dispatcher,
  elapsed: () => number,
): FetchKeys {
  return async ({ url, ca, tokenFile }) => {
    const headers = await headersWith(tokenFile)
    if (headers === null) return null
    const dispatcher = open(ca)
    try {
      const look = await fetchThrough(dispatcher, elapsed, { headers, deadline: DEADLINE })(url)
      const isAnswer = look.failure === null && look.status === 200
      return isAnswer ? readCallerKeys(look.body.toString('utf8')) : null
    } finally {
      // Not `close`: that would wait for a server which goes on sending.
      await dispatcher.destroy()
    }
  }
}

async function headersWith(tokenFile: string | null): Promise<Record<string, string> | null> {
  const headers = {
    accept: 'application/jwk-set+json, application/json',
    'accept-encoding': 'identity',
    'user-agent': 'lockstep',
  }
  if (tokenFile === null) return headers
  const token = await readFile(tokenFile, 'utf8').then(
    text => text.trim(),
    () => '',
  )
  return /^[\x21-\x7e]+$/.test(token) ? { ...headers, authorization: `Bearer ${token}` } : null
}
