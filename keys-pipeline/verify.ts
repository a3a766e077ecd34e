import { type Code, type Finding, finding } from './errors.ts'
import { openKeyFile } from './forms.ts'
import { type PublicKey, toPublicKey } from './jwk.ts'
import { ENVIRONMENTS } from './key-set.ts'
import { type Fetch, type Published, readPublished } from './published.ts'
import type { Site } from './render.ts'
import { keySetUrl, type Settings } from './settings.ts'

/** One key set as it was built, and where the world should see it. */
export interface Expected {
  url: string
  text: string
  keys: readonly PublicKey[]
}

export interface VerifyPorts {
  visit: Fetch
  /** Milliseconds since the epoch. */
  now: () => number
  wait: (milliseconds: number) => Promise<void>
  /** Something no cache has seen, for the query. */
  buster: () => string
  /** Told of each round that found a difference. */
  progress: (round: { findings: Finding[]; seconds: number }) => void
}

/** What the world should see of a built site. */
export function expectedOf(site: Site, settings: Settings): Expected[] {
  return ENVIRONMENTS.flatMap(name => {
    const { path } = settings.environments[name]
    const text = site.get(path)
    if (text === undefined) return []
    const url = keySetUrl(settings.baseUrl, path)
    const { candidates } = openKeyFile(path, Buffer.from(text))
    return [{ url, text, keys: candidates.flatMap(each => toPublicKey(each, path).key ?? []) }]
  })
}

/** Milliseconds between rounds: quick at first, since a deployment mostly shows at once. */
const FIRST_PAUSE = 2_000
const LONGEST_PAUSE = 30_000

/**
 * Asks for each set until the world sees the bytes that were built, with and without a cache-buster: without is what an
 * EHR gets, with is what the origin has. What differs when the deadline (seconds) passes is returned; nothing is good.
 */
export async function verify(
  expected: readonly Expected[],
  deadline: number,
  ports: VerifyPorts,
): Promise<Finding[]> {
  const began = ports.now()
  const end = began + deadline * 1000
  for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 1.5, LONGEST_PAUSE)) {
    const rounds = await Promise.all(expected.map(each => look(each, ports)))
    const findings = rounds.filter(each => each !== null)
    const now = ports.now()
    if (findings.length === 0 || now + pause > end) return findings
    ports.progress({ findings, seconds: Math.round((now - began) / 1000) })
    await ports.wait(pause)
  }
}

async function look(expected: Expected, { visit, buster }: VerifyPorts): Promise<Finding | null> {
  const [edge, origin] = await Promise.all([
    visit(expected.url).then(readPublished),
    visit(`${expected.url}?lockstep=${buster()}`).then(readPublished),
  ])
  return compare(expected, edge, origin)
}

/** How what is served differs from what was built: not a key set at all, an old one at the edge, or an old one. */
function compare(expected: Expected, edge: Published, origin: Published): Finding | null {
  const say = (code: Code, message: string): Finding => finding(code, expected.url, message)
  if (edge.state !== 'key_set') return say(`live_${edge.state}`, edge.detail || 'no key set')
  if (origin.state !== 'key_set') return say(`live_${origin.state}`, origin.detail || 'no key set')
  const [isEdgeNew, isOriginNew] = [edge.text === expected.text, origin.text === expected.text]
  if (isEdgeNew && isOriginNew) return null
  if (isOriginNew) return say('live_stale_edge', difference(expected.keys, edge.keys))
  return say('live_stale_origin', difference(expected.keys, isEdgeNew ? origin.keys : edge.keys))
}

function difference(wanted: readonly PublicKey[], seen: readonly PublicKey[]): string {
  const without = (these: readonly PublicKey[], those: readonly PublicKey[]) =>
    these
      .filter(key => !those.some(other => other.thumbprint === key.thumbprint))
      .map(key => key.jwk.kid)
  const parts = [
    ['missing', without(wanted, seen)],
    ['extra', without(seen, wanted)],
  ] as const
  const said = parts
    .filter(([, kids]) => kids.length > 0)
    .map(([word, kids]) => `${word}: ${kids.join(', ')}`)
  return said.length > 0 ? said.join('; ') : 'the same keys in other bytes'
}
