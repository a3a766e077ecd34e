import type { Alg } from '../../keys-pipeline/algorithms.ts'
import type { Environment } from '../../keys-pipeline/key-set.ts'
import { asBrokerError, BrokerError } from '../errors.ts'
import type { Log } from './alarms.ts'
import type { EnvironmentKeys } from './environment.ts'
import type { KeyFacts } from './key-facts.ts'
import { guardOf } from './proof.ts'
import { type Acknowledgement, acknowledgements } from './replicas.ts'
import { isLive } from './sightings.ts'
import type { Rotation } from './state.ts'
import { linesOf, type RotationRules, wish } from './wishes.ts'
import { holdsFor, judgeReason, withdrawalOf } from './withdraw.ts'

interface Ports {
  log: Log
  environments: () => ReadonlyMap<Environment, EnvironmentKeys>
  rules: () => RotationRules
  newId: () => string
  hurry: (environment: Environment) => void
}

/** What a revocation did. Times are milliseconds since the epoch. */
export interface Revoked {
  environment: Environment
  kid: string
  at: number
  /** It is kept, so that a restart does not forget it. */
  isSaved: boolean
  /** Which of the brokers that share a store will not sign with it, as far as they have said; none where none is shared. */
  replicas: readonly Acknowledgement[]
  /** Why the other brokers could not be told; null where they are. */
  untold: string | null
  /** The standbys that sign from now on, by kid. */
  promoted: readonly string[]
  begun: readonly Pick<Rotation, 'alg' | 'role'>[]
  isLive: boolean
  /** By upstream of its line, which key signs there now; null for none. */
  upstreams: readonly Trust[]
}

export interface Trust {
  id: string
  kid: string | null
  /** The hospital has loaded the key by hand, and trusts it until it is told not to. */
  isPinned: boolean
  /** Seconds after the key is gone from the published set for which the EHR may still trust it; null for ever. */
  trustsFor: number | null
}

export interface Begun {
  id: string
  alg: Alg
  did: 'begun' | 'under_way'
}

/** What an operator may order. */
export interface Orders {
  /** A new key for each line in use, or for one; one that is under way is not begun again. Refused: `environment_unknown`, `rotation_unwatched`, what `keep` refuses. */
  rotate: (environment: string, alg: Alg | null) => Promise<Begun[]>
  /** The key signs nothing more, from the next signature on. Refused: `key_unknown`, `reason_unusable`. */
  revoke: (kid: string, reason: string) => Promise<Revoked>
  /** The word of a key that stays that this one has stopped signing. Refused: `key_unknown`, `key_needed`, `releaser_missing`. */
  release: (kid: string) => Promise<{ environment: Environment; kid: string; release: string }>
}

export function openOrders(ports: Ports): Orders {
  const { log, environments, rules, newId, hurry } = ports
  const find = (
    name: string,
  ): { environment: Environment; keys: EnvironmentKeys; key: KeyFacts } => {
    for (const [environment, keys] of environments()) {
      const key = keys
        .situation()
        .keys.find(({ kid, thumbprint }) => kid === name || thumbprint === name)
      if (key) return { environment, keys, key }
    }
    throw new BrokerError('key_unknown')
  }
  return {
    rotate: async (name, alg) => {
      const found = [...environments()].find(([environment]) => environment === name)
      if (!found) throw new BrokerError('environment_unknown')
      const [environment, keys] = found
      if (keys.state().url === null) throw new BrokerError('rotation_unwatched')
      const lines = alg === null ? linesOf(keys.situation()) : [alg]
      let begun: Begun[] = []
      await keys.keep(({ rotations }) => {
        const wishes = lines.map(line => {
          const open = rotations.find(each => each.alg === line && each.role === 'signer')
          const what = { alg: line, role: 'signer', because: 'command' } as const
          return { isOpen: open !== undefined, wished: open ?? wish(what, keys.situation(), newId) }
        })
        begun = wishes.map(({ isOpen, wished: { id, alg: line } }) => ({
          ...{ id, alg: line, did: isOpen ? 'under_way' : 'begun' },
        }))
        const added = wishes.filter(({ isOpen }) => !isOpen).map(({ wished }) => wished)
        return { rotations: [...rotations, ...added] }
      }, 'anyone')
      if (begun.some(({ did }) => did === 'begun'))
        log.info({ environment, algs: lines }, 'rotation asked for')
      hurry(environment)
      return begun
    },
    revoke: async (name, reason) => {
      const { environment, keys, key } = find(name)
      judgeReason(key, reason)
      const isFirst = key.revokedAt === null
      const heir = heirOf(key, keys)
      const isSaved = keys.revoke(key.thumbprint, reason, heir?.thumbprint ?? null)
      const promoted = heir === null ? [] : [heir.kid]
      const { begun, untold } = await replace(key, keys, rules(), newId)
      const at = keys.state().revoked[key.thumbprint]?.at ?? keys.situation().now
      if (isFirst || promoted.length > 0)
        log.error({ environment, kid: key.kid, promoted, isSaved, untold }, 'key revoked')
      hurry(environment)
      const { watched, now } = keys.situation()
      return {
        ...{ environment, kid: key.kid, at, isSaved, untold, promoted, begun },
        replicas: acknowledgements(keys.others(), key.thumbprint, now),
        isLive: isLive(watched, key.thumbprint),
        upstreams: trustIn(key, keys),
      }
    },
    release: async name => {
      const { environment, keys, key } = find(name)
      const holds = holdsFor(key, keys)
      if (key.revokedAt !== null)
        throw new BrokerError('key_needed', { kid: key.kid, why: 'revoked: retire --emergency' })
      if (holds.length > 0) {
        const until = Math.max(...holds.map(each => each.until ?? 0))
        throw new BrokerError('key_needed', {
          ...{ kid: key.kid, why: holds.map(({ why }) => why).join() },
          ...(until > 0 && { until: new Date(until).toISOString() }),
        })
      }
      const { release } = await withdrawalOf(key, keys, 'anyone')
      if (release === null) throw new BrokerError('releaser_missing', { kid: key.kid })
      return { environment, kid: key.kid, release }
    },
  }
}

const usableBeside = ({ alg, thumbprint }: KeyFacts, keys: EnvironmentKeys): KeyFacts[] =>
  keys
    .situation()
    .keys.filter(
      each =>
        each.alg === alg &&
        each.thumbprint !== thumbprint &&
        each.isHere &&
        each.revokedAt === null &&
        !each.isReleased,
    )

/** Where no other key of the line is live and may sign, the standby is to: the one that has been live longest. */
function heirOf(key: KeyFacts, keys: EnvironmentKeys): KeyFacts | null {
  const { sightings } = keys.situation().watched
  const since = ({ thumbprint }: KeyFacts): number =>
    sightings[thumbprint]?.liveSince ?? Number.POSITIVE_INFINITY
  if (key.role === 'standby') return null
  const others = usableBeside(key, keys)
  if (others.some(each => each.role === 'signer' && Number.isFinite(since(each)))) return null
  const standbys = others.filter(({ role }) => role === 'standby')
  return standbys.sort((a, b) => (since(a) < since(b) ? -1 : 1))[0] ?? null
}

/** What the line lacks now is begun at once, and all the other brokers know of it. */
async function replace(
  key: KeyFacts,
  keys: EnvironmentKeys,
  { standby }: RotationRules,
  newId: () => string,
): Promise<{ begun: readonly Rotation[]; untold: string | null }> {
  const situation = keys.situation()
  const { url } = keys.state()
  const left = usableBeside(key, keys)
  const lacks = (role: Rotation['role'], rotations: readonly Rotation[]): boolean =>
    !left.some(each => each.role === role) &&
    !rotations.some(
      each => each.alg === key.alg && each.role === role && each.made !== key.thumbprint,
    )
  const roles: Rotation['role'][] = url === null ? [] : standby ? ['signer', 'standby'] : ['signer']
  let begun: Rotation[] = []
  try {
    await keys.keep(({ rotations }) => {
      begun = roles
        .filter(role => lacks(role, rotations))
        .map(role => wish({ alg: key.alg, role, because: 'revocation' }, situation, newId))
      const others = rotations.filter(({ made }) => made !== key.thumbprint)
      return { rotations: [...others, ...begun] }
    }, 'anyone')
    return { begun, untold: null }
  } catch (error) {
    const { code, facts } = asBrokerError(error)
    // Where nothing is shared it is begun all the same, and that it is not saved is said already.
    return code === 'store_unwritable'
      ? { begun: [], untold: `${facts['reason']}` }
      : { begun, untold: null }
  }
}

function trustIn(key: KeyFacts, keys: EnvironmentKeys): Trust[] {
  const { upstreams, watched, settings, now } = keys.situation()
  const choices = keys.choices()
  return upstreams
    .filter(({ alg }) => alg === key.alg)
    .map(({ id, reader, pinned }) => {
      const isPinned = pinned?.includes(key.kid) ?? false
      return {
        ...{ id, isPinned, kid: choices.get(id)?.key.kid ?? null },
        trustsFor: isPinned ? null : guardOf(reader, watched, now, settings),
      }
    })
}
