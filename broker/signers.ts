import type { Environment } from '../keys-pipeline/key-set.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import type { Complaint } from './config-rules.ts'
import { asBrokerError, ERRORS } from './errors.ts'
import type { Log } from './keys/alarms.ts'
import type { HeldKey } from './keys/environment.ts'
import { loadSigningKeys, type SigningKey } from './keys/signing-keys.ts'
import { openStateFolder, type StateFolder } from './keys/state-file.ts'
import { twinFaults } from './keys/twins.ts'
import type { KeySource } from './keys-config.ts'
import { loadTokenKeys } from './pkcs11/token.ts'

/** The private keys of each environment. */
export type Signers = ReadonlyMap<Environment, readonly HeldKey[]>

/** The private keys of each environment, with every complaint about the keys. */
export async function loadSigners(config: Config): Promise<{
  signers: Signers
  complaints: Complaint[]
}> {
  const complaints: Complaint[] = []
  const signers = new Map<Environment, HeldKey[]>()
  for (const [environment, source] of config.keys) {
    const loaded = await loadKeys(source, `/keys/${environment}`)
    complaints.push(...loaded.complaints)
    signers.set(environment, loaded.held)
  }
  for (const { id, environment, alg } of config.upstreams.values()) {
    const keys = (signers.get(environment) ?? []).filter(({ role }) => role === 'signer')
    if (keys.length === 0 || keys.some(({ key }) => key.alg === alg)) continue
    const message = `there is no ${alg} key for ${environment}`
    complaints.push({ at: `/upstreams/${id}`, message })
  }
  return { signers, complaints }
}

/** One environment's keys, from its folders and its token. A PIN that cannot be read is not tried. */
async function loadKeys(
  { folder, standbyFolder, passphrase, token }: KeySource,
  at: string,
): Promise<{ held: HeldKey[]; complaints: Complaint[] }> {
  const none = { keys: [], complaints: [], isEmpty: false }
  const files = folder === null ? none : loadSigningKeys(folder, passphrase)
  const reserve = standbyFolder === null ? none : loadSigningKeys(standbyFolder, passphrase)
  // The first standby is yet to be made, and the last may have gone.
  const standbys = reserve.isEmpty ? none : reserve
  const inside = token && token.pin.text !== '' ? await loadTokenKeys(token) : none
  const as = (role: HeldKey['role'], keys: readonly SigningKey[]): HeldKey[] =>
    keys.map(key => ({ key, role }))
  const held = [...as('signer', [...files.keys, ...inside.keys]), ...as('standby', standbys.keys)]
  return {
    held,
    complaints: [
      ...files.complaints.map(message => ({ at: `${at}/folder`, message })),
      // The first standby is yet to be made, and the last may have gone.
      ...(standbys.isEmpty ? [] : standbys.complaints).map(message => ({
        at: `${at}/standbyFolder`,
        message,
      })),
      ...inside.complaints.map(({ setting, message }) => ({
        at: `${at}/pkcs11${setting}`,
        message,
      })),
      ...twinFaults(held.map(({ key }) => key)).map(message => ({ at, message })),
    ],
  }
}

/** The folder of what was seen and signed, for this process alone; null with a complaint where it is not to be had. */
export function claimState(
  { state: folder }: Config,
  clock: Clock,
  log: Pick<Log, 'error'>,
): { states: StateFolder | null; complaints: Complaint[] } {
  try {
    const states = openStateFolder(folder, {
      now: () => clock().wall,
      onSetAside: facts =>
        log.error({ code: 'state_unreadable', ...facts }, ERRORS.state_unreadable.says),
    })
    return { states, complaints: [] }
  } catch (error) {
    const { code, message, facts } = asBrokerError(error)
    const why = facts['reason'] === undefined ? code : `${code}, ${facts['reason']}`
    return {
      states: null,
      complaints: [{ at: '/state', message: `${folder}: ${message} (${why})` }],
    }
  }
}
