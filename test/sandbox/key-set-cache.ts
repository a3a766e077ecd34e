import { Agent, request } from 'undici'
import { EpicRefusal } from './refusal.ts'

export type FetchedKey = Readonly<Record<string, unknown>>

interface Entry {
  keys: FetchedKey[]
  /** Milliseconds since the epoch. */
  until: number
}

/** Epic's cap and default, whatever the header says. @see Epic "OAuth 2.0", JWK Set URL */
const MOST_LIFE = 29 * 60 * 60 * 1000

const MOST_BYTES = 1024 * 1024

/** Key sets by URL, kept as Epic keeps them: `Cache-Control` shortens the 29 h, `no-store` is honoured. */
export class KeySetCache {
  readonly #entries = new Map<string, Entry>()
  readonly #agent: Agent
  readonly #now: () => number
  /** A hospital's firewall lets none of its Epic servers out. */
  isBlocked = false
  /** How often each URL was fetched. */
  readonly fetches = new Map<string, number>()

  constructor(ca: string, now: () => number) {
    this.#agent = new Agent({ connect: { ca, minVersion: 'TLSv1.2' }, maxResponseSize: MOST_BYTES })
    this.#now = now
  }

  /** Keys in the cache that have not expired. */
  cached(url: string): FetchedKey[] | null {
    const entry = this.#entries.get(url)
    return entry && entry.until > this.#now() ? entry.keys : null
  }

  async fetch(url: string): Promise<FetchedKey[]> {
    if (this.isBlocked) throw new EpicRefusal('key_set_unreachable', 'no way out')
    this.fetches.set(url, (this.fetches.get(url) ?? 0) + 1)
    const { statusCode, headers, body } = await request(url, {
      headers: { accept: 'application/json' },
      dispatcher: this.#agent,
      signal: AbortSignal.timeout(10_000),
    }).catch(error => {
      throw new EpicRefusal(
        'key_set_unreachable',
        String((error as NodeJS.ErrnoException).code ?? error.name),
      )
    })
    const text = await body.text()
    if (statusCode !== 200) throw new EpicRefusal('key_set_unreachable', `status ${statusCode}`)
    const keys = readKeys(text)
    const life = lifeOf(String(headers['cache-control'] ?? ''))
    if (life > 0) this.#entries.set(url, { keys, until: this.#now() + life })
    else this.#entries.delete(url)
    return keys
  }

  close(): Promise<void> {
    return this.#agent.close()
  }
}

function readKeys(text: string): FetchedKey[] {
  try {
    const { keys } = JSON.parse(text)
    if (Array.isArray(keys) && keys.length <= 100) return keys
  } catch {
    // Falls through to the refusal.
  }
  throw new EpicRefusal('key_set_unreadable')
}

function lifeOf(cacheControl: string): number {
  if (/\bno-store\b/i.test(cacheControl)) return 0
  const seconds = /\bmax-age=(\d+)/i.exec(cacheControl)?.[1]
  return seconds === undefined ? MOST_LIFE : Math.min(Number(seconds) * 1000, MOST_LIFE)
}
