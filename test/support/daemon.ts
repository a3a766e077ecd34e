import type { ConfigFile } from '../../broker/config-schema.ts'
import { BROKER_MAIN, freePort, type Running, start } from './processes.ts'
import { makeWorld, type World } from './world.ts'

/** A broker in a process of its own, and the local Epic that it gets tokens from. */
export interface Daemon {
  issuer: string
  port: number
  /** Where `broker.yaml` and the audit file are. */
  folder: string
  epic: World['epic']
  jwksUrl: string
  /** The Epic's clock, which stands, set to the machine's, by which the process goes. */
  sync: () => void
  process: Running
  /** Ends what is left of it all. */
  close: () => Promise<void>
}

/** `delay` is the Epic's, in milliseconds; `nodeOptions` are the process's. */
export async function startDaemon(
  prepare: (file: ConfigFile, folder: string, jwksUrl: string) => void = () => {},
  { nodeOptions = [], delay = 0 }: { nodeOptions?: string[]; delay?: number } = {},
): Promise<Daemon> {
  const port = await freePort()
  const issuer = `http://127.0.0.1:${port}`
  const world = await makeWorld({
    ...{ delay, stateless: true },
    prepare: async (file, folder, _, url) => {
      file.issuer = issuer
      file.listen = { port }
      prepare(file, folder, url)
    },
  })
  const { folder, clock, epic, jwksUrl } = world
  const sync = (): void => clock.advance((Date.now() - clock.now()) / 1000)
  sync()
  const running = await start(BROKER_MAIN, ['--config', 'broker.yaml'], /"msg":"ready"/, {
    cwd: folder,
    nodeOptions,
  })
  return {
    ...{ issuer, port, folder, epic, jwksUrl, sync, process: running },
    close: async () => {
      await running.stop('SIGKILL')
      await world.close()
    },
  }
}
