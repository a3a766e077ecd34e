import 'reflect-metadata'
import { createPrivateKey, webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'

/** A certificate authority made on the spot, and what it signs. Good until 2099, so that clocks can be moved. */
export interface Authority {
  /** PEM of the root. */
  ca: string
  issue: (options?: Issued) => Promise<{ cert: string; key: string }>
}

interface Issued {
  names?: string[]
  /** URI names, as a SPIFFE ID is one. */
  uris?: string[]
  /** For a client that shows it to a server. */
  isClient?: boolean
  notBefore?: Date
  notAfter?: Date
  /** Below an authority between, which publishes its certificate and does not come with this one. */
  isBelowAnother?: boolean
  /** RSA of that many bits in place of P-256. */
  bits?: number
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
const FROM = new Date('2020-01-01')
const TO = new Date('2099-01-01')

export async function makeAuthority(): Promise<Authority> {
  x509.cryptoProvider.set(webcrypto as typeof crypto)
  const keys = await makeKeys(ALGORITHM)
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
    issue: async ({
      names = ['localhost'],
      uris = [],
      isClient = false,
      notBefore = FROM,
      notAfter = TO,
      isBelowAnother = false,
      bits,
    } = {}) => {
      const issuer = isBelowAnother ? await intermediate(root, keys) : { certificate: root, keys }
      const algorithm = bits === undefined ? ALGORITHM : rsaOf(bits)
      const own = await makeKeys(algorithm)
      const certificate = await x509.X509CertificateGenerator.create({
        subject: `CN=${names[0]}`,
        issuer: issuer.certificate.subject,
        notBefore,
        notAfter,
        signingAlgorithm: ALGORITHM,
        publicKey: own.publicKey,
        signingKey: issuer.keys.privateKey,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.ExtendedKeyUsageExtension([isClient ? CLIENT_AUTH : SERVER_AUTH]),
          new x509.SubjectAlternativeNameExtension([
            ...names.map(value => ({ type: 'dns' as const, value })),
            ...uris.map(value => ({ type: 'url' as const, value })),
            { type: 'ip', value: '127.0.0.1' },
          ]),
          await x509.AuthorityKeyIdentifierExtension.create(issuer.keys.publicKey),
          ...(isBelowAnother
            ? [new x509.AuthorityInfoAccessExtension({ caIssuers: 'http://ca.example/i.crt' })]
            : []),
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

async function intermediate(root: x509.X509Certificate, above: webcrypto.CryptoKeyPair) {
  const keys = await makeKeys(ALGORITHM)
  const certificate = await x509.X509CertificateGenerator.create({
    subject: 'CN=Lockstep test intermediate',
    issuer: root.subject,
    notBefore: FROM,
    notAfter: TO,
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey: above.privateKey,
    extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
  })
  return { certificate, keys }
}

const rsaOf = (modulusLength: number) => ({
  ...{ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength },
  publicExponent: new Uint8Array([1, 0, 1]),
})

const makeKeys = (
  algorithm: webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams,
): Promise<webcrypto.CryptoKeyPair> =>
  webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
