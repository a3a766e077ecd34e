import type { Complaint } from './config-rules.ts'
import type { ConfigFile } from './config-schema.ts'
import { socketFault } from './unix-socket.ts'

/** Where services ask: a Unix socket, or an address and a port. */
export interface Listen {
  /** Absolute; in place of `host` and `port`. */
  socket: string | null
  host: string
  port: number
  behindProxy: boolean
  trustedProxies: readonly string[]
  /** Whether `/openapi.json` and `/docs` are served. */
  docs: boolean
  /** `clientCa` is PEM: with it the listener asks for a client certificate. */
  tls: (Identity & { clientCa: string | null }) | null
}

/** PEM. */
interface Identity {
  cert: string
  key: string
}

/** How files are read that a listener names, and where to complain of what is in them. */
interface Files {
  pathAt: (at: string, given: string) => string
  readIdentity: (named: Identity, at: string) => Identity
  readAuthorities: (given: string, at: string) => string
  complaints: Complaint[]
}

/** A listener as the config has it, the services' unless it says `at`. Complains of files that are no good. */
export function settleListen(
  { socket, host, port, behindProxy, trustedProxies, docs, tls }: ConfigFile['listen'],
  { pathAt, readIdentity, readAuthorities, complaints }: Files,
  at = '/listen',
): Listen {
  const path = socket === undefined ? null : pathAt(`${at}/socket`, socket)
  const fault = path === null ? null : socketFault(path)
  if (fault !== null) complaints.push({ at: `${at}/socket`, message: fault })
  const authorities = (given: string | undefined): string | null =>
    given === undefined ? null : readAuthorities(given, `${at}/tls/clientCa`)
  return {
    socket: path,
    host: host ?? '127.0.0.1',
    port: port ?? 0,
    behindProxy: behindProxy ?? false,
    trustedProxies: trustedProxies ?? [],
    docs: docs ?? true,
    tls: tls ? { ...readIdentity(tls, `${at}/tls`), clientCa: authorities(tls.clientCa) } : null,
  }
}
