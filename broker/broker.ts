import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { Audit } from './audit.ts'
import type { Clock } from './clock.ts'
import type { Config, ConfigError } from './config.ts'
import type { StateFolder } from './keys/state-file.ts'
import type { Tick } from './schedule.ts'
import type { Signers } from './signers.ts'
import type { Traces } from './traces.ts'
import type { WebProxy } from './upstream/connections.ts'

/** What the broker needs of the world, so that a test can give it another one. */
export interface Ports {
  clock: Clock
  /** 0 to 1. */
  chance: () => number
  wait: (milliseconds: number) => Promise<void>
  /** The way out of the building; null for a direct one. */
  proxy: WebProxy | null
  audit: Audit
  log: FastifyBaseLogger
  signers: Signers
  states: Pick<StateFolder, 'drawerOf'>
  /** What people know this machine by. */
  host: string
  traces: Traces
}

export interface Broker {
  /** Not listening yet. Closing it answers what is under way, then closes the audit. */
  app: FastifyInstance
  /** The operator's listener. Not listening yet. */
  admin: FastifyInstance
  /** For Prometheus alone, where the config has it. Not listening yet. */
  metrics: FastifyInstance | null
  /** Where users' browsers come, where the config has it. Not listening yet. */
  launch: FastifyInstance | null
  /** Ends the calls to EHRs, so that what waits for them is refused, recorded and answered. */
  abort: () => Promise<void>
  /** To be called every few seconds. */
  ticks: readonly Tick[]
  /** A new generation of config and keys, for every request from now on; tokens that are held stay. */
  take: (config: Config, signers: Signers) => void
  /** A config that is there and is not taken: told in the status until one is. */
  refuse: (complaints: ConfigError['complaints']) => void
}
