import { newPairBeside } from '../keys-pipeline/key-pair.ts'
import type { Environment } from '../keys-pipeline/key-set.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import { ERRORS } from './errors.ts'
import { readText } from './files.ts'
import type { Log } from './keys/alarms.ts'
import { openConsult } from './keys/consult.ts'
import { openController } from './keys/controller.ts'
import type { EnvironmentKeys } from './keys/environment.ts'
import { appTokens } from './keys/github-app.ts'
import { type Orders, openOrders } from './keys/orders.ts'
import { type KeyOverview, overviewOf } from './keys/overview.ts'
import { installationToken, openPublisher, type Publisher } from './keys/publish.ts'
import type { GitHubConfig } from './rotation-config.ts'
import { agentFor, fetchOver, type WebProxy } from './upstream/connections.ts'

interface Ports {
  clock: Clock
  log: Log
  newId: () => string
  proxy: WebProxy | null
  config: () => Config
  environments: () => ReadonlyMap<Environment, EnvironmentKeys>
  /** One token of the upstream. */
  ask: (upstream: string) => Promise<void>
}

/** The rotation of keys, assembled. */
export interface KeyWork {
  /** To be called every few seconds. */
  tick: () => Promise<void>
  orders: Orders
  overview: () => KeyOverview[]
  /** The same, after the other brokers were heard. */
  latest: () => Promise<KeyOverview[]>
  /** Ends what is under way. */
  close: () => Promise<void>
}

export function openKeyWork(ports: Ports): KeyWork {
  const { clock, log, newId, config, environments, ask } = ports
  const publishers = openPublishers(ports)
  const rules = () => config().rotation
  const publisher = () => publishers.of(config().rotation.github)
  const consult = openConsult({ clock, log, publisher })
  const controller = openController({
    ...{ clock, log, newId, environments, rules, ask },
    makePair: newPairBeside,
    foldersOf: environment =>
      config().keys.get(environment) ?? { folder: null, standbyFolder: null, passphrase: null },
    publisher,
  })
  const overview = () =>
    overviewOf(environments(), {
      ...controller,
      ...{ says: code => ERRORS[code].says, every: rules().every },
    })
  return {
    tick: async () => {
      await Promise.all([...environments()].map(([name, keys]) => consult(name, keys)))
      await controller.tick()
    },
    orders: openOrders({ log, newId, environments, rules, hurry: controller.hurry }),
    overview,
    latest: async () => {
      await Promise.all([...environments().values()].map(each => each.heed()))
      return overview()
    },
    close: publishers.close,
  }
}

/** Bytes of an answer; a list of pull requests has some 600 KB. */
const MOST_REPLY_BYTES = 16 * 1024 * 1024
const MOST_SECRET_BYTES = 16 * 1024

/** One at a time, for as long as the config names the same repository in the same way. */
function openPublishers({ clock, proxy }: Pick<Ports, 'clock' | 'proxy'>) {
  let current: { name: string; publisher: Publisher; close: () => Promise<void> } | null = null
  const close = async (): Promise<void> => {
    const before = current
    current = null
    await before?.close()
  }
  const open = (github: GitHubConfig) => {
    const { repository, baseUrl, ca, credential } = github
    const agent = agentFor({ ...(ca !== null && { ca }) }, proxy, MOST_REPLY_BYTES)
    const access = { repository, baseUrl, fetch: fetchOver(agent) }
    const read = (file: string): string => readText(file, MOST_SECRET_BYTES).trim()
    const tokenTo = (may: 'read' | 'write') =>
      credential.kind === 'token'
        ? async () => read(credential.file)
        : appTokens(credential, {
            clock,
            privateKey: () => read(credential.keyFile),
            exchange: installationToken(access, credential.installationId, may),
          })
    const publisher = openPublisher(access, tokenTo('write'), tokenTo('read'))
    return { publisher, close: () => agent.destroy() }
  }
  return {
    close,
    of: (github: GitHubConfig | null): Publisher | null => {
      const name = JSON.stringify(github)
      if (current?.name === name) return current.publisher
      void close()
      if (github === null) return null
      current = { name, ...open(github) }
      return current.publisher
    },
  }
}
