import { createPrivateKey, X509Certificate } from 'node:crypto'

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g

/** What is wrong with a file of certificate authorities; an empty one would quietly mean the system's. */
export function authoritiesFault(pem: string): string | null {
  const blocks = pem.match(CERTIFICATE) ?? []
  if (blocks.length === 0) return 'holds no certificate in PEM'
  return blocks.every(isCertificate) ? null : 'holds a certificate that cannot be read'
}

/** What is wrong with a listener's certificate chain and private key. */
export function identityFault(chain: string, key: string): string | null {
  const [own, ...issuers] = chain.match(CERTIFICATE) ?? []
  if (own === undefined) return 'the certificate file holds no certificate in PEM'
  if (![own, ...issuers].every(isCertificate))
    return 'the certificate file holds a certificate that cannot be read'
  try {
    if (new X509Certificate(own).checkPrivateKey(createPrivateKey(key))) return null
  } catch {
    return 'the key file holds no private key in PEM that can be read'
  }
  return 'the certificate and the private key do not belong together'
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).serialNumber !== ''
  } catch {
    return false
  }
}
