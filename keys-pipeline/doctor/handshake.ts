import { createConnection, isIP } from 'node:net'
import { type ConnectionOptions, connect, type SecureVersion, type TLSSocket } from 'node:tls'
import type { Certificate, Door, Handshake } from './evidence.ts'

export interface Host {
  /** As in the URL; without brackets. */
  name: string
  port: number
  isName: boolean
  /** PEM of authorities to trust in place of the system’s. */
  ca: string | undefined
  /** Seconds for each step. */
  deadline: number
  wait: (milliseconds: number) => Promise<void>
}

/**
 * Milliseconds. In TLS 1.3 a server that wants a client certificate says so after the handshake, and one that does not
 * mostly sends a session ticket.
 */
const AFTERWARDS = 500

const OLDER = ['TLSv1', 'TLSv1.1', 'TLSv1.2'] as const

/** One address, tried as any client would: the connection, and for https what TLS shows. Never throws. */
export async function tryDoor(address: string, host: Host, isTls: boolean): Promise<Door> {
  if (!isTls) return { address, ...(await knock(address, host)), tls: null }
  const seen = await shake(address, host, {})
  if (seen.reached !== 'open') return { address, reached: seen.reached, tls: null }
  const tried = await Promise.all(
    OLDER.map(async version => {
      const range = { minVersion: version, maxVersion: version }
      const { failure } = await shake(address, host, { ...range, ciphers: 'DEFAULT@SECLEVEL=0' })
      return failure === null ? [version] : []
    }),
  )
  const { reached, ...tls } = seen
  return { address, reached, tls: { ...tls, older: tried.flat() } }
}

type Shaken = Omit<Handshake, 'older'> & Pick<Door, 'reached'>

/** The chain is read whether it is trusted or not: what is wrong with it is what is asked for. */
function shake(
  address: string,
  { name, port, isName, ca, deadline, wait }: Host,
  versions: { minVersion?: SecureVersion; maxVersion?: SecureVersion; ciphers?: string },
): Promise<Shaken> {
  const options: ConnectionOptions = {
    ...{ host: address, port, timeout: deadline * 1000, ALPNProtocols: ['http/1.1'] },
    ...{ rejectUnauthorized: false, ...versions },
    ...(isName && { servername: name }),
    ...(ca !== undefined && { ca }),
  }
  const nothing = { mistrust: null, certificate: null, protocol: null }
  return new Promise(resolve => {
    let isOpen = false
    const socket = connect(options)
    const end = (shaken: Shaken): void => {
      socket.destroy()
      resolve(shaken)
    }
    socket.on('connect', () => {
      isOpen = true
    })
    socket.on('timeout', () =>
      end({ ...nothing, reached: isOpen ? 'open' : 'timeout', failure: 'ETIMEDOUT' }),
    )
    socket.on('error', (error: NodeJS.ErrnoException) => {
      const failure = error.code ?? error.name
      end({ ...nothing, reached: isOpen ? 'open' : reachedBy(failure), failure })
    })
    socket.on('secureConnect', () => {
      const shaken: Shaken = {
        ...{ reached: 'open', failure: null, mistrust: mistrustOf(socket) },
        certificate: certificateOf(socket, name),
        protocol: socket.getProtocol(),
      }
      const done = (): void => end(shaken)
      socket.on('session', done)
      void wait(socket.getProtocol() === 'TLSv1.3' ? AFTERWARDS : 0).then(done)
    })
  })
}

/** Node looks at the name only once the chain is trusted; the name is judged beside it. */
function mistrustOf(socket: TLSSocket): string | null {
  if (socket.authorized) return null
  // Typed as an Error, it is the name that OpenSSL gives, or an error with such a code.
  const error: unknown = socket.authorizationError
  const code = typeof error === 'string' ? error : (error as NodeJS.ErrnoException).code
  return code === 'ERR_TLS_CERT_ALTNAME_INVALID' ? null : (code ?? 'UNSPECIFIED')
}

function certificateOf(socket: TLSSocket, name: string): Certificate | null {
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return null
  const { fingerprint256, subject, issuer, infoAccess, validFromDate, validToDate } = certificate
  const fits = isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)
  return {
    ...{ fingerprint: fingerprint256, subject, issuer },
    rsaBits: certificate.publicKey.asymmetricKeyDetails?.modulusLength ?? null,
    isForHost: fits !== undefined,
    namesIssuer: infoAccess?.includes('CA Issuers') ?? false,
    ...{ from: validFromDate.getTime(), to: validToDate.getTime() },
  }
}

function knock(address: string, { port, deadline }: Host): Promise<Pick<Door, 'reached'>> {
  return new Promise(resolve => {
    const socket = createConnection({ host: address, port, timeout: deadline * 1000 })
    const end = (reached: Door['reached']): void => {
      socket.destroy()
      resolve({ reached })
    }
    socket.on('connect', () => end('open'))
    socket.on('timeout', () => end('timeout'))
    socket.on('error', (error: NodeJS.ErrnoException) => end(reachedBy(error.code ?? '')))
  })
}

function reachedBy(code: string): Door['reached'] {
  if (['ENETUNREACH', 'EHOSTUNREACH', 'EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(code))
    return 'no_route'
  return code === 'ETIMEDOUT' ? 'timeout' : 'closed'
}
