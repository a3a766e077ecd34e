import { randomBytes, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { asBrokerError } from '../../broker/errors.ts'
import type { Connection } from '../../broker/launch/connection.ts'
import { openKeeper } from '../../broker/launch/keeper.ts'
import { refuseGrant, renewWith } from '../../broker/launch/renew.ts'
import type { Shelf } from '../../broker/launch/shelf.ts'
import { openSqliteShelf } from '../../broker/launch/sqlite-shelf.ts'
import { openVault } from '../../broker/launch/vault.ts'
import { sealWith } from '../../broker/tokens/sealed.ts'
import { singleFlight } from '../../broker/tokens/single-flight.ts'
import { openConnections } from '../../broker/upstream/connections.ts'
import { presentWith } from '../../broker/upstream/exchange.ts'
import { connection, launchTarget } from './launch-target.ts'
import { upstream } from './upstream.ts'

/**
 * A broker that is asked for the token of the connection in the folder ARGV[2], at an EHR at ARGV[3], at the time
 * ARGV[4], and prints what it gives. KILL_STEP=N ends it at the Nth step: before and after each call of the store, and
 * of the EHR.
 */
const [, , folder = '', origin = '', now = '0'] = process.argv
const at = Number(process.env['KILL_STEP'])
let steps = 0

function step(): void {
  if (++steps !== at) return
  process.kill(process.pid, 'SIGKILL')
  for (;;);
}

async function stepping<T>(work: () => Promise<T>): Promise<T> {
  step()
  const result = await work()
  step()
  return result
}

const clock = () => ({ wall: Number(now), monotonic: Number(now) })
const shelf = openSqliteShelf(join(folder, 'connections.db'), clock)
const stepped: Shelf = {
  ...shelf,
  get: key => stepping(() => shelf.get(key)),
  put: (...row) => stepping(() => shelf.put(...row)),
}
const seal = sealWith([readFileSync(join(folder, 'seal'))], () => randomBytes(12))
const keeper = openKeeper({
  ...{ clock, random: randomBytes },
  vault: openVault(stepped, seal, () => {}),
})
const connections = openConnections()
const present = presentWith({
  ...{ clock, newJti: randomUUID, postFor: connections.postFor },
  signerFor: ({ alg }) => ({ kid: 'kid', thumbprint: 'kid', alg, signJwt: async () => 'a.b.c' }),
  ...{ heed: async () => {}, onSigning: () => {}, onAnswer: () => {}, onDate: () => {} },
})
const target = launchTarget({
  upstream: upstream({
    ...{ clientId: 'user-app', tokenEndpoint: `${origin}/token`, fhirBase: `${origin}/fhir` },
  }),
})
const renew = renewWith({
  ...{ clock, keeper, flights: singleFlight<Connection>(), newOwner: randomUUID },
  wait: async () => {},
  present: ({ upstream: ehr }, grant, asked) =>
    stepping(() => present(ehr, grant, asked)).catch(refuseGrant),
  onFailed: () => {},
})
const told = await renew(target, connection().id, 0).then(
  ({ accessToken }) => accessToken,
  error => asBrokerError(error).code,
)
await connections.close()
process.stdout.write(`${JSON.stringify({ told, steps })}\n`)
