import type { Config } from './config.ts'
import type { Complaint } from './config-rules.ts'
import { BrokerError } from './errors.ts'
import { chooseKey, type KeyRing, strangeKids } from './keys/choose.ts'
import { loadSigningKeys, type SigningKey } from './keys/signing-keys.ts'
import { twinFaults } from './keys/twins.ts'
import type { KeySource } from './keys-config.ts'
import { loadTokenKeys } from './pkcs11/token.ts'
import type { Upstream } from './upstream/upstream.ts'

/** By upstream id. */
export type Signers = ReadonlyMap<string, SigningKey>

/** The key that signs for each upstream, with every complaint about the keys. */
export async function loadSigners(config: Config): Promise<{
  signers: Signers
  complaints: Complaint[]
}> {
  const complaints: Complaint[] = []
  const rings = new Map<string, KeyRing>()
  for (const [environment, source] of config.keys) {
    const loaded = await loadKeys(source, `/keys/${environment}`)
    complaints.push(...loaded.complaints)
    rings.set(environment, { keys: loaded.keys, signWith: source.signWith })
  }
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

/** One environment's keys, from its folder and its token. A PIN that cannot be read is not tried. */
async function loadKeys(
  { folder, passphrase, token }: KeySource,
  at: string,
): Promise<{ keys: SigningKey[]; complaints: Complaint[] }> {
  const none = { keys: [], complaints: [] }
  const files = folder === null ? none : loadSigningKeys(folder, passphrase)
  const inside = token && token.pin.text !== '' ? await loadTokenKeys(token) : none
  const keys = [...files.keys, ...inside.keys]
  return {
    keys,
    complaints: [
      ...files.complaints.map(message => ({ at: `${at}/folder`, message })),
      ...inside.complaints.map(({ setting, message }) => ({
        at: `${at}/pkcs11${setting}`,
        message,
      })),
      ...twinFaults(keys).map(message => ({ at, message })),
    ],
  }
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
