import type { Config } from './config.ts'
import type { Complaint } from './config-rules.ts'
import { BrokerError } from './errors.ts'
import { chooseKey, strangeKids } from './keys/choose.ts'
import { loadSigningKeys, type SigningKey } from './keys/signing-keys.ts'
import type { Upstream } from './upstream/upstream.ts'

/** By upstream id. */
export type Signers = ReadonlyMap<string, SigningKey>

/** The key that signs for each upstream, with every complaint about the key folders. */
export function loadSigners(config: Config): {
  signers: Signers
  complaints: Complaint[]
} {
  const complaints: Complaint[] = []
  const rings = new Map(
    [...config.keys].map(([environment, { folder, signWith }]) => {
      const loaded = loadSigningKeys(folder)
      complaints.push(
        ...loaded.complaints.map(message => ({ at: `/keys/${environment}/folder`, message })),
      )
      return [environment, { keys: loaded.keys, signWith }]
    }),
  )
  const signers = new Map<string, SigningKey>()
  for (const [environment, { keys, signWith }] of rings) {
    const message = strangeKids({ keys, signWith })
    if (message !== null) complaints.push({ at: `/keys/${environment}/signWith`, message })
  }
  for (const { id, environment, alg } of config.upstreams.values()) {
    const ring = rings.get(environment)
    if (!ring || ring.keys.length === 0) continue
    const chosen = chooseKey(environment, alg, ring)
    if (typeof chosen === 'string') complaints.push({ at: `/upstreams/${id}`, message: chosen })
    else signers.set(id, chosen)
  }
  return { signers, complaints }
}

/** By the very upstream of one generation, so that a request that began under it ends under it. */
const SIGNERS = new WeakMap<Upstream, SigningKey>()

/** What a generation made its upstreams of signs for them, whatever comes after. */
export function bindSigners(upstreams: ReadonlyMap<string, Upstream>, signers: Signers): void {
  for (const [id, upstream] of upstreams) {
    const signer = signers.get(id)
    if (signer) SIGNERS.set(upstream, signer)
  }
}

/** Refused: `signing_failed` where there is no key. */
export function signerOf(upstream: Upstream): SigningKey {
  const signer = SIGNERS.get(upstream)
  if (!signer) throw new BrokerError('signing_failed', { upstream: upstream.id })
  return signer
}
