import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { secretHash } from '../../broker/access/secrets.ts'
import type { ConfigFile } from '../../broker/config-schema.ts'
import type { Alg } from '../../keys-pipeline/algorithms.ts'
import { BROKER_MAIN, freePort } from '../support/processes.ts'
import { makeKey } from '../support/world.ts'
import { CLIENT_CORE, type Server, serverScript, startServer } from './servers.ts'

export const SERVICE = 'scheduling'
export const SECRET = 'a-secret-of-the-scheduling-service-43-long'
export const SCOPE = 'system/Patient.read'

/** As a service sends it. */
export const authorization = (id = SERVICE, secret = SECRET): string =>
  `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`

export const FORM = 'grant_type=client_credentials&audience=u0'

/** An EHR that believes everybody, on the core of those who ask. */
export const startEhr = (delay = 0, life = 3600): Promise<Server> =>
  startServer({
    ...{ name: 'ehr', script: serverScript('ehr'), core: CLIENT_CORE },
    args: [`${delay}`, `${life}`],
  })

/** So many tokens it has issued. */
export const callsOf = async (ehr: Server): Promise<number> =>
  Number(await (await fetch(`${ehr.origin}/calls`)).text())

export interface BrokerWish {
  ehr: string
  upstreams?: number
  alg?: Alg
  /** Of an RSA key. */
  bits?: number
  core?: number
  /** Node's own, before the script. */
  nodeOptions?: readonly string[]
  change?: (file: ConfigFile, folder: string) => void
}

/** A config in a folder of its own, with a key: secrets, policy, the audit file, metrics. */
export async function layOut(wish: BrokerWish): Promise<{ folder: string; issuer: string }> {
  const { ehr, upstreams = 1, alg = 'RS384', bits = 2048 } = wish
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-bench-'))
  makeKey(folder, alg, undefined, bits)
  const port = await freePort()
  const ids = Array.from({ length: upstreams }, (_, at) => `u${at}`)
  const file: ConfigFile = {
    issuer: `http://127.0.0.1:${port}`,
    listen: { port },
    audit: { file: 'audit.ndjson' },
    keys: { nonprod: { folder: 'private' } },
    upstreams: Object.fromEntries(ids.map(id => [id, upstreamFile(id, ehr, alg)])),
    services: {
      [SERVICE]: {
        secretSha256: [secretHash(SECRET)],
        grants: ids.map(upstream => ({ upstream, scopes: [SCOPE] })),
      },
    },
  }
  wish.change?.(file, folder)
  writeFileSync(join(folder, 'broker.yaml'), stringify(file))
  return { folder, issuer: file.issuer }
}

/** The daemon as an operator starts it. */
export async function startBroker(wish: BrokerWish): Promise<Server & { folder: string }> {
  const { folder, issuer } = await layOut(wish)
  const { core, nodeOptions } = wish
  const server = await startServer({
    ...{ name: 'broker', script: BROKER_MAIN, args: ['--config', 'broker.yaml'], cwd: folder },
    ...(core !== undefined && { core }),
    ...(nodeOptions !== undefined && { nodeOptions }),
    env: { INIT_CWD: folder },
    ready: /"msg":"ready"/,
  })
  return {
    ...server,
    folder,
    origin: issuer,
    stop: async () => {
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const upstreamFile = (id: string, ehr: string, alg: Alg): ConfigFile['upstreams'][string] => ({
  fhirBase: `${ehr}/${id}/FHIR/R4`,
  tokenEndpoint: `${ehr}/${id}/token`,
  clientId: `app-${id}`,
  ...{ profile: 'smart', environment: 'nonprod', alg, scopes: [SCOPE] },
})
