import type { X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { ClientCertificate } from '../access/client-certificate.ts'

/**
 * The client certificate of a connection, if our authorities vouch for it. On a TLS 1.3 connection that was resumed
 * Node calls even a client without one authorised, so that it is the certificate that counts.
 */
export function certificateOf(socket: Socket): ClientCertificate | null {
  if (!isSecure(socket) || !socket.authorized) return null
  const certificate = socket.getPeerX509Certificate()
  return certificate === undefined ? null : readCertificate(certificate)
}

const isSecure = (socket: Socket): socket is TLSSocket => 'getPeerX509Certificate' in socket

export const readCertificate = ({
  subjectAltName = '',
  validFromDate,
  validToDate,
}: X509Certificate): ClientCertificate => ({
  names: namesIn(subjectAltName),
  notBefore: validFromDate.getTime(),
  notAfter: validToDate.getTime(),
})

/** A name in which anything could be taken for the end of it is quoted, and none that a config may have is. */
const NAME = /(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^",]*)/y

/** The DNS and URI names of a SubjectAltName as Node writes it; none where it is not written so. */
function namesIn(written: string): string[] {
  const names: string[] = []
  const name = new RegExp(NAME)
  while (name.lastIndex < written.length) {
    const [, kind, value = ''] = name.exec(written) ?? []
    if (kind === undefined) return []
    if (kind === 'DNS') names.push(`DNS:${value.toLowerCase()}`)
    if (kind === 'URI') names.push(`URI:${value}`)
  }
  return names
}
