import type { Environment } from '../keys-pipeline/key-set.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import type { Complaint } from './config-rules.ts'
import { asBrokerError, ERRORS } from './errors.ts'
import type { Log } from './keys/alarms.ts'
import type { HeldKey } from './keys/environment.ts'
import { loadSigningKeys, type SigningKey } from './keys/signing-keys.ts'
import { openStateFolder, type StateFolder } from './keys/state-file.ts'

/** The private keys of each environment. */
export type Signers = ReadonlyMap<Environment, readonly HeldKey[]>

/** The private keys of each environment, with every complaint about the key folders. */
export function loadSigners(config: Config): { signers: Signers; complaints: Complaint[] } {
  const complaints: Complaint[] = []
  const load = (folder: string, role: HeldKey['role'], at: string): HeldKey[] => {
    const loaded = loadSigningKeys(folder)
    // The first standby is yet to be made, and the last may have gone.
    if (!(loaded.isEmpty && role === 'standby'))
      complaints.push(...loaded.complaints.map(message => ({ at, message })))
    return loaded.keys.map(key => ({ key, role }))
  }
  const signers = new Map<Environment, HeldKey[]>()
  for (const [environment, { folder, standbyFolder }] of config.keys) {
    const at = `/keys/${environment}`
    const held = [
      ...load(folder, 'signer', `${at}/folder`),
      ...(standbyFolder === null ? [] : load(standbyFolder, 'standby', `${at}/standbyFolder`)),
    ]
    complaints.push(...twiceIn(held).map(message => ({ at: `${at}/folder`, message })))
    signers.set(environment, held)
  }
  for (const { id, environment, alg } of config.upstreams.values()) {
    const keys = (signers.get(environment) ?? []).filter(({ role }) => role === 'signer')
    if (keys.length === 0 || keys.some(({ key }) => key.alg === alg)) continue
    const message = `there is no ${alg} key for ${environment}`
    complaints.push({ at: `/upstreams/${id}`, message })
  }
  return { signers, complaints }
}

/** One key in two files, or one kid for two keys: nobody could say which is meant. */
function twiceIn(held: readonly HeldKey[]): string[] {
  const twins = (one: SigningKey, other: SigningKey): boolean =>
    one.thumbprint === other.thumbprint || one.kid === other.kid
  return held.flatMap(({ key }, index) => {
    const before = held.slice(0, index).find(each => twins(each.key, key))
    if (!before) return []
    const what = before.key.thumbprint === key.thumbprint ? 'key' : 'kid'
    return [`${before.key.file} and ${key.file} have the same ${what}`]
  })
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
