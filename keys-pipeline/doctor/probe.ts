import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { Agent } from 'undici'
import { fetchThrough, type Look } from '../published.ts'
import type { Answers, Door, Evidence, Names } from './evidence.ts'
import { type Host, tryDoor } from './handshake.ts'

export interface Probe {
  /** Asked in place of the addresses that DNS has: a server that has no name yet, or one of several. */
  addresses?: readonly string[] | undefined
  /** PEM of authorities to trust in place of the system’s. */
  ca?: string | undefined
  /** Seconds for each step and each answer. */
  deadline: number
  /** Where http:// is asked, 80 where https is on 443; null for nowhere. */
  plainPort: number | null
  resolve: (name: string) => Promise<string[]>
  /** Milliseconds since the epoch. */
  now: () => number
  /** Milliseconds; only goes forward. */
  elapsed: () => number
  wait: (milliseconds: number) => Promise<void>
  /** Something no cache has seen, for the query. */
  buster: () => string
  progress: (step: string) => void
}

/** The addresses of a name as this machine has them; none where there is no such name. */
export async function resolveName(name: string): Promise<string[]> {
  try {
    return (await lookup(name, { all: true, order: 'ipv4first' })).map(each => each.address)
  } catch {
    return []
  }
}

/** DNS may name more; GitHub Pages has four of each family. */
const MOST_ADDRESSES = 16
const REPEATS = 4

/** All that a stranger can see of the URL, and nothing judged. Never throws for what the far end does. */
export async function gather(url: URL, probe: Probe): Promise<Evidence> {
  const { progress, now, deadline, ca, wait } = probe
  const name = url.hostname.replace(/^\[|\]$/g, '')
  const names = await namesOf(name, probe)
  const isTls = url.protocol === 'https:'
  const port = Number(url.port) || (isTls ? 443 : 80)
  const host: Host = { name, port, isName: isIP(name) === 0, ca, deadline, wait }
  progress(`connection to ${names.addresses.length} addresses`)
  const doors = await Promise.all(names.addresses.map(each => tryDoor(each, host, isTls)))
  const open = doors.filter(each => each.reached === 'open' && each.tls?.failure == null)
  const [door] = open
  const at = now()
  if (door === undefined) return { url, at, names, doors, plain: null, answers: null }
  return {
    ...{ url, at, names, doors },
    plain: isTls ? await plainLook(url, door, probe) : null,
    answers: await askAll(url, door, open.slice(1), probe),
  }
}

async function namesOf(name: string, { addresses, resolve, progress }: Probe): Promise<Names> {
  if (addresses) return { addresses, isGiven: true }
  if (isIP(name) > 0) return { addresses: [name], isGiven: false }
  progress(`addresses of ${name}`)
  return { addresses: (await resolve(name)).slice(0, MOST_ADDRESSES), isGiven: false }
}

const AS_EPIC = { accept: 'application/json', 'user-agent': 'lockstep-doctor' }
const ANONYMOUS = { accept: '*/*' }
const BROWSER = { ...AS_EPIC, origin: 'https://elsewhere.example' }

async function askAll(
  url: URL,
  door: Door,
  others: readonly Door[],
  probe: Probe,
): Promise<Answers> {
  const { progress, buster } = probe
  const ask = (headers: Record<string, string>, at = door, target = url) =>
    askOnce(target, at, headers, probe)
  const fresh = new URL(url)
  fresh.searchParams.set('lockstep', buster())
  progress('answer')
  const first = await ask(AS_EPIC)
  // Whoever waits for one deadline need not wait for eight.
  if (first.failure === 'timeout')
    return {
      first,
      again: [],
      fresh: first,
      anonymous: first,
      browser: first,
      elsewhere: new Map(),
    }
  progress(`the same ${REPEATS - 1} times more, and in three other ways`)
  const again: Look[] = []
  // One after the other: together they would measure each other.
  while (again.length < REPEATS - 1) again.push(await ask(AS_EPIC))
  const elsewhere = new Map<string, Look>()
  for (const each of others) elsewhere.set(each.address, await ask(AS_EPIC, each))
  return {
    ...{ first, again, elsewhere },
    fresh: await ask(AS_EPIC, door, fresh),
    anonymous: await ask(ANONYMOUS),
    browser: await ask(BROWSER),
  }
}

async function plainLook(url: URL, door: Door, probe: Probe): Promise<Look | null> {
  const port = probe.plainPort ?? (url.port === '' ? 80 : null)
  if (port === null) return null
  const plain = new URL(url)
  plain.protocol = 'http:'
  plain.port = `${port}`
  return askOnce(plain, door, AS_EPIC, probe)
}

/** A connection of its own, as each hospital makes one; trusted or not, since the door’s chain is judged beside it. */
async function askOnce(
  url: URL,
  { address }: Door,
  headers: Record<string, string>,
  { elapsed, deadline, ca }: Probe,
): Promise<Look> {
  const family = isIP(address)
  const agent = new Agent({
    connect: {
      rejectUnauthorized: false,
      ...(ca !== undefined && { ca }),
      lookup: (_name, { all }, done) =>
        all ? done(null, [{ address, family }]) : done(null, address, family),
    },
  })
  try {
    return await fetchThrough(agent, elapsed, { headers, deadline })(url.href)
  } finally {
    await agent.destroy()
  }
}
