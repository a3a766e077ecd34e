import 'reflect-metadata'
import { createPrivateKey, webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'

/** A certificate authority made on the spot, and what it signs. Good until 2099, so that clocks can be moved. */
export interface Authority {
  /** PEM of the root. */
  ca: string
  issue: (options?: {
    names?: string[]
    notBefore?: Date
    notAfter?: Date
  }) => Promise<{ cert: string; key: string }>
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const FROM = new Date('2020-01-01')
const TO = new Date('2099-01-01')

export async function makeAuthority(): Promise<Authority> {
  x509.cryptoProvider.set(webcrypto as typeof crypto)
  const keys = (await webcrypto.subtle.generateKey(ALGORITHM, true, [
    'sign',
    'verify',
  ])) as webcrypto.CryptoKeyPair
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=Lockstep test root',
    notBefore: FROM,
    notAfter: TO,
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 1, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return {
    ca: root.toString('pem'),
    issue: async ({ names = ['localhost'], notBefore = FROM, notAfter = TO } = {}) => {
      const own = (await webcrypto.subtle.generateKey(ALGORITHM, true, [
        'sign',
        'verify',
      ])) as webcrypto.CryptoKeyPair
      const certificate = await x509.X509CertificateGenerator.create({
        subject: `CN=${names[0]}`,
        issuer: root.subject,
        notBefore,
        notAfter,
        signingAlgorithm: ALGORITHM,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.1']),
          new x509.SubjectAlternativeNameExtension([
            ...names.map(value => ({ type: 'dns' as const, value })),
            { type: 'ip', value: '127.0.0.1' },
          ]),
          await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
        ],
      })
      const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', own.privateKey))
      const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
      return {
        cert: certificate.toString('pem'),
        key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
      }
    },
  }
}
