import type { Clock } from '../clock.ts'
import { BrokerError } from '../errors.ts'
import type { Access } from './access.ts'

/** A certificate that the caller showed on its connection, and that our authorities vouch for. */
export interface ClientCertificate {
  /** `DNS:host` in lower case, `URI:…` as it is. */
  names: readonly string[]
  /** Milliseconds since the epoch. */
  notBefore: number
  notAfter: number
}

/**
 * The one service that a certificate names. It is looked at anew on every request, since a connection may outlive its
 * certificate. Refused: `certificate_unknown`, `certificate_expired`.
 *
 * @see RFC 8705 §2.1
 */
export function serviceInCertificate(
  { names, notBefore, notAfter }: ClientCertificate,
  { namedIn }: Access,
  clock: Clock,
): string {
  const { wall } = clock()
  if (!(notBefore <= wall && wall < notAfter)) throw new BrokerError('certificate_expired')
  const services = new Set(names.flatMap(name => namedIn(name) ?? []))
  const [service] = services
  if (service === undefined || services.size > 1) throw new BrokerError('certificate_unknown')
  return service
}
