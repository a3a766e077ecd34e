import type { PublicKey } from '../jwk.ts'
import type { Look } from '../published.ts'

/** All that was seen of one URL, before anybody judges it. */
export interface Evidence {
  url: URL
  /** Milliseconds since the epoch: when it was looked at. */
  at: number
  names: Names
  doors: readonly Door[]
  /** What http:// has in place of https://; null where it was not asked. */
  plain: Look | null
  /** Null where no connection came about. */
  answers: Answers | null
}

export interface Names {
  addresses: readonly string[]
  /** The addresses were given, and DNS was not asked. */
  isGiven: boolean
}

/** One address of the name. */
export interface Door {
  address: string
  /** `no_route`: this machine has no way to addresses of that family. */
  reached: 'open' | 'closed' | 'timeout' | 'no_route'
  /** Null for http, and where the door is not open. */
  tls: Handshake | null
}

export interface Handshake {
  /** OpenSSL’s name of what went wrong; null where it was done, trusted or not. */
  failure: string | null
  /** Why the chain is not trusted, by OpenSSL’s name; null where it is. */
  mistrust: string | null
  certificate: Certificate | null
  /** The newest that both know, as `TLSv1.3`; null after a failure. */
  protocol: string | null
  /** Each of the old ones that the server takes as well. */
  older: readonly string[]
}

export interface Certificate {
  fingerprint: string
  subject: string
  issuer: string
  /** Of its key; null where it is no RSA key. */
  rsaBits: number | null
  /** Whether it names the host. */
  isForHost: boolean
  /** Whether it says where its issuer’s certificate can be fetched, as those of public authorities do. */
  namesIssuer: boolean
  /** Milliseconds since the epoch. */
  from: number
  to: number
}

/** The same URL asked in several ways, each over a connection of its own. */
export interface Answers {
  /** As Epic asks. */
  first: Look
  /** The same, again. */
  again: readonly Look[]
  /** Past the caches, by a query that nobody has asked before. */
  fresh: Look
  /** Without a name of the client, and for any type. */
  anonymous: Look
  /** As a browser asks for a page of another origin. */
  browser: Look
  /** At every other address of the name, by address. */
  elsewhere: ReadonlyMap<string, Look>
}

/** What the live set is compared with. */
export interface Comparison {
  environment: string
  text: string | null
  keys: readonly PublicKey[]
  others: readonly PublicKey[]
}
