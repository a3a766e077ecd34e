import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { secretHash } from '../../broker/access/secrets.ts'
import { ecPair } from './keys.ts'
import { freePort, PROJECT } from './processes.ts'
import { ecSigner, rsaSigner, setOf } from './tokens.ts'
import { makeWorld, PATIENT, type World } from './world.ts'

export const CLIENT_SECRET = 'Xn0-a.secret_of.the-scheduling~service'.replace('~', '_')
const POD = 'system:serviceaccount:prod:scheduling'

/** A broker with TLS on a port, and what its clients are started with. */
export interface ClientWorld extends World {
  issuer: string
  /** Where the programs of clients are put, with our packages beside them. */
  home: string
  /** The variables that the manual names; the authorities that each language trusts among them. */
  environment: Record<string, string>
  /** Sets the clock of the broker and the EHR to the machine's, which foreign programs go by. */
  sync: () => void
}

/** Services: `scheduling` has a secret, `signer` a key of its own, `pod` a token of its cluster. */
export async function makeClientWorld(): Promise<ClientWorld> {
  const port = await freePort()
  const issuer = `https://localhost:${port}`
  const home = mkdtempSync(join(tmpdir(), 'lockstep-clients-'))
  symlinkSync(join(PROJECT, 'node_modules'), join(home, 'node_modules'))
  const [mine, cluster] = [ecSigner('mine'), rsaSigner('cluster')]
  const grants = [{ upstream: 'epic', scopes: [PATIENT] }]
  const world = await makeWorld({
    prepare: async (file, folder, authority) => {
      const { cert, key } = await authority.issue()
      const files = { 'server.pem': cert, 'server.key': key, 'ca.pem': authority.ca }
      const sets = { 'mine.json': setOf(mine), 'cluster.json': setOf(cluster) }
      for (const [name, text] of Object.entries({ ...files, ...sets }))
        writeFileSync(join(folder, name), text)
      file.issuer = issuer
      file.listen = { port, tls: { cert: 'server.pem', key: 'server.key' } }
      file.workloadIssuers = { cluster: { issuer: 'https://cluster', jwksFile: 'cluster.json' } }
      file.services = {
        scheduling: { secretSha256: [secretHash(CLIENT_SECRET)], grants },
        signer: { keys: { jwksFile: 'mine.json' }, grants },
        pod: { workloads: [{ issuer: 'cluster', subject: POD }], grants },
      }
    },
  })
  const sync = (): void => world.clock.advance((Date.now() - world.clock.now()) / 1000)
  sync()
  await world.app.listen({ host: '127.0.0.1', port })
  const now = Math.floor(Date.now() / 1000)
  const claims = { iss: 'https://cluster', sub: POD, aud: [issuer], iat: now, exp: now + 3600 }
  const [token, key] = [join(home, 'token'), join(home, 'key.pem')]
  writeFileSync(token, await cluster.sign(claims))
  writeFileSync(key, ecPair('P-256').privateKey.export({ type: 'pkcs8', format: 'pem' }))
  const ca = join(world.folder, 'ca.pem')
  return {
    ...world,
    ...{ issuer, home, sync },
    environment: {
      ...{ PATH: '/usr/bin:/bin', HOME: home },
      ...{ BROKER: issuer, FHIR_BASE: world.epic.fhirBase, CLIENT_SECRET },
      ...{ KEY_FILE: key, KEY_ID: 'mine', TOKEN_FILE: token },
      ...{ CURL_CA_BUNDLE: ca, NODE_EXTRA_CA_CERTS: ca, REQUESTS_CA_BUNDLE: ca, SSL_CERT_FILE: ca },
    },
    close: async () => {
      await world.close()
      rmSync(home, { recursive: true, force: true })
    },
  }
}
