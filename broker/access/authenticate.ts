import type { Span } from '../clock.ts'
import { BrokerError } from '../errors.ts'
import type { Access } from './access.ts'
import { serviceInCertificate } from './client-certificate.ts'
import {
  type Credential,
  claimedId,
  type Presented,
  readCredential,
  signerOf,
} from './credential.ts'
import { readJwt } from './jwt.ts'
import { type AssertionPorts, serviceThatSigned } from './private-key-jwt.ts'
import { secretMatches } from './secrets.ts'
import type { SlowDown } from './slow-down.ts'
import { serviceOfWorkload } from './workload-jwt.ts'

export interface Caller {
  service: string
  method:
    | 'client_secret_basic'
    | 'client_secret_post'
    | 'private_key_jwt'
    | 'workload_jwt'
    | 'tls_client_auth'
  /**
   * As long as the same credential proves the same again, while the config stands; null for ever, as a secret does. Over
   * from the first for what counts once or belongs to a connection.
   */
  proves: Span | null
}

export type Authenticate = (presented: Presented, access: Access) => Promise<Caller>

const ONCE: Span = { since: { wall: 0, monotonic: 0 }, for: 0 }

/** Compared where there is no such service, so that unknown and wrong take the same time. */
const NOBODY = ['00'.repeat(32)]

/**
 * The service that sends a request. Unknown and wrong look the same from outside; who is refused again and again from one
 * address is told so later and later.
 *
 * Refused: `auth_methods_several`, `client_id_differs`, `credentials_missing`, `credentials_malformed`,
 * `client_unknown`, `secret_wrong`, and what `serviceThatSigned`, `serviceOfWorkload` and `serviceInCertificate` refuse.
 */
export function authenticateWith(
  ports: AssertionPorts & { slowDown: SlowDown['around'] },
): Authenticate {
  return (presented, access) => {
    const { address } = presented
    return ports.slowDown({ address, claimed: claimedId(presented) }, async () => {
      const credential = readCredential(presented)
      const caller = await callerOf(credential, address, access, ports)
      const { clientId } = 'clientId' in credential ? credential : {}
      if (clientId !== undefined && clientId !== caller.service)
        throw new BrokerError('client_id_differs')
      return caller
    })
  }
}

async function callerOf(
  credential: Credential,
  address: string,
  access: Access,
  ports: AssertionPorts,
): Promise<Caller> {
  switch (credential.method) {
    case 'client_assertion': {
      const jwt = readJwt(credential.assertion)
      const signer = signerOf(jwt.claims)
      if (signer === undefined) {
        const workload = await serviceOfWorkload(jwt, address, access, ports)
        return { ...workload, method: 'workload_jwt' }
      }
      if ((credential.clientId ?? signer) !== signer) throw new BrokerError('client_id_differs')
      const service = await serviceThatSigned(signer, jwt, address, access, ports)
      return { service, method: 'private_key_jwt', proves: ONCE }
    }
    case 'tls_client_auth': {
      const service = serviceInCertificate(credential.certificate, access, ports.clock)
      return { service, method: 'tls_client_auth', proves: ONCE }
    }
    default: {
      const { id, secret, method } = credential
      const hashes = access.rulesOf(id)?.secretSha256
      const matches = secretMatches(secret, hashes?.length ? hashes : NOBODY)
      if (hashes === undefined) throw new BrokerError('client_unknown')
      if (!matches) throw new BrokerError('secret_wrong')
      return { service: id, method, proves: null }
    }
  }
}
