import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { readConfig } from '../../broker/config.ts'
import { loadSigners } from '../../broker/signers.ts'
import { serializeKeySet } from '../../keys-pipeline/key-set.ts'
import { judgeKeys } from '../../keys-pipeline/pipeline.ts'
import { asIs, folderWith } from '../support/keys.ts'
import { type Answer, Pages, pack } from '../support/pages.ts'
import { makeKey, makeWorld, PATIENT, type World } from '../support/world.ts'

/** Seconds. */
const [HOUR, DAY] = [3600, 24 * 3600]

/** A broker and a local Epic that both read the key set from an emulated GitHub Pages. */
interface Troubled {
  world: World
  pages: Pages
  /** The public keys that are in the folder now. */
  deploy: (how?: { staleEdge?: number; staleOrigin?: number }) => void
}

async function onPages(): Promise<Troubled> {
  let now = (): number => 0
  let pages: Pages | undefined
  const world = await makeWorld({
    alg: 'ES256',
    tokenLife: 60,
    prepare: async (file, _folder, authority) => {
      pages = await new Pages(await authority.issue(), () => now()).start()
      const jwksUrl = `${pages.url}/jwks.json`
      file.keys = { nonprod: { folder: 'private', jwksUrl, ca: 'ca.pem', family: 4 } }
    },
  })
  if (pages === undefined) throw new Error('no config without its pages')
  const host = pages
  now = world.clock.now
  onTestFinished(async () => {
    await world.close()
    await host.stop()
  })
  const deploy: Troubled['deploy'] = how => {
    const { environments } = judgeKeys(join(world.folder, 'keys'), asIs)
    const site = folderWith({ 'jwks.json': serializeKeySet(environments.nonprod.keys) })
    host.deploy(pack(site, { includeHiddenFiles: true }), how)
  }
  deploy()
  await world.epic.register({
    ...{ clientId: 'app-patients', environment: 'nonprod', scopes: [PATIENT] },
    jwksUrl: `${host.url}/jwks.json`,
  })
  return { world, pages: host, deploy }
}

/** For so long a service asks at each step, each time for a token that no cache has. */
async function pass({ world }: Troubled, seconds: number, step: number): Promise<void> {
  for (let left = seconds; left > 0; left -= step) {
    world.clock.advance(step)
    for (const { tick } of world.ticks) await tick()
    expect((await world.ask()).statusCode).toBe(200)
  }
}

/** The kids that tokens were had with, in order. */
const signed = async ({ world }: Troubled): Promise<Set<string>> =>
  new Set((await world.audit()).map(({ granted }) => granted?.kid ?? ''))

async function nextKey({ world }: Troubled): Promise<string> {
  const kid = makeKey(world.folder, 'ES256', world.clock)
  const config = readConfig(join(world.folder, 'broker.yaml'))
  const { signers } = await loadSigners(config)
  world.take(config, signers)
  return kid
}

const SICK: Answer = { status: 503, headers: {}, body: Buffer.from('unavailable') }

interface Trouble {
  /** Seconds. */
  lasts: number
  deployed?: Parameters<Troubled['deploy']>[0]
  /** What a look of the watch meets, and no EHR does; null for the set. */
  look?: (nth: number) => Answer | 'an end' | null
  /** The new key can be proven all the same. */
  isSeen?: true
}

const TROUBLES: [string, Trouble][] = [
  ['every look of the watch meets a 503 for a day', { lasts: DAY, look: () => SICK }],
  [
    'every third look meets a 503 for a day',
    { lasts: DAY, look: nth => (nth % 3 === 0 ? SICK : null), isSeen: true },
  ],
  ['the watch is cut off for three days', { lasts: 3 * DAY, look: () => 'an end' }],
  ['an edge stays stale for a day', { lasts: DAY, deployed: { staleEdge: DAY } }],
  [
    'the origin stays stale for six hours',
    { lasts: 6 * HOUR, deployed: { staleOrigin: 6 * HOUR } },
  ],
]

test.each(TROUBLES)(
  '%s amid a rotation: no hand-out fails, no assertion is refused, and the new key signs in the end',
  async (_, { lasts, deployed, look, isSeen = false }) => {
    const troubled = await onPages()
    const { world, pages, deploy } = troubled
    await pass(troubled, 30 * HOUR, 5 * HOUR)
    const next = await nextKey(troubled)
    deploy(deployed)
    let looks = 0
    pages.meddle = (answer, { headers }) =>
      (headers['user-agent'] === 'lockstep-watch' && look?.(looks++)) || answer
    await pass(troubled, lasts - 2 * HOUR, 2 * HOUR)
    expect((await signed(troubled)).has(next)).toBe(isSeen)
    pages.meddle = answer => answer
    await pass(troubled, 4 * HOUR, HOUR)
    expect([...(await signed(troubled))]).toEqual([world.kid, next])
    expect(world.epic.log.filter(({ reason }) => reason !== 'granted')).toEqual([])
  },
)
