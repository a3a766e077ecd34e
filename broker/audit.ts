import {
  closeSync,
  fchmodSync,
  fstatSync,
  fsync,
  openSync,
  readSync,
  write,
  writeSync,
} from 'node:fs'
import { BrokerError } from './errors.ts'

/** One decision. The list of fields is closed; a token appears only as its SHA-256. */
export interface AuditRecord {
  /** ISO 8601, UTC. */
  time: string
  request: string
  /**
   * `token`: somebody asks for one. `report`: somebody says that the EHR refused one. `login`: a user comes back from an
   * EHR. `disconnect`: a user ends a connection. `connection`: a service takes one over. `exchange`: it asks for its token.
   * The others are an operator's orders: `fhir_read` and `fhir_write` have the broker call a FHIR server.
   */
  action:
    | ('token' | 'report' | 'login' | 'disconnect' | 'connection' | 'exchange')
    | ('fhir_read' | 'fhir_write' | KeyOrder['action'])
  decision: 'granted' | 'refused'
  /** Why it was refused: a code of the broker's table. */
  code: string | null
  /** What would have been refused, and was let through since the policy of the service is only recorded. */
  tolerated: string | null
  /** The client that authenticated; null where none did. */
  service: string | null
  /** The client_id that was claimed, or the subject of the token that was shown, if it has the form of one. */
  claimed: string | null
  method: string | null
  address: string
  upstream: string | null
  asked: {
    audience: string | null
    resource: string | null
    scope: string | null
    minimum_ttl: number
  } | null
  granted: {
    scope: string
    expires_in: number
    token_sha256: string
    kid: string
    source: string
  } | null
  /** The user's connection that it is about, by a name that opens nothing. */
  connection: string | null
  /** SHA-256 of the token that is reported, where the service may have it. */
  reported: string | null
  /** What an operator has ordered about keys. */
  order: KeyOrder['order'] | null
  /** SHA-256 of the config that decided. */
  config: string
}

/** An operator's order about keys, as far as it was understood: what nobody knows is not repeated. */
export interface KeyOrder {
  action: 'rotate' | 'revoke' | 'release'
  /** Why it was refused; null where it was carried out. */
  code: string | null
  address: string
  order: {
    environment: string | null
    kid: string | null
    alg: string | null
    reason: string | null
  }
}

export interface Audit {
  /** Resolves once the record is written. Rejected: `audit_failed`. */
  record: (record: AuditRecord) => Promise<void>
  close: () => Promise<void>
}

/** Writes all of the text or fails. */
export type WriteAll = (text: string) => Promise<void>

/** Records that share a write, and the promise that it settles. */
interface Batch {
  text: string
  written: PromiseWithResolvers<void>
}

/** Records in order, a line each; those of one moment share a write, and those that arrive meanwhile the next one. */
export function auditTo(writeAll: WriteAll, close: () => void): Audit {
  let next: Batch | null = null
  let running: Promise<void> | null = null
  let closed = false
  const drain = async (): Promise<void> => {
    while (next !== null) {
      // What else has come in by now is decided first, and shares the write.
      await new Promise<void>(done => setImmediate(done))
      const { text, written }: Batch = next
      next = null
      await writeAll(text).then(written.resolve, error => written.reject(failed(error)))
    }
    running = null
  }
  return {
    record: record => {
      if (closed) return Promise.reject(failed({ code: 'closed' }))
      next ??= { text: '', written: Promise.withResolvers() }
      next.text += `${JSON.stringify(record)}\n`
      const { promise } = next.written
      running ??= drain()
      return promise
    },
    close: async () => {
      closed = true
      await running
      close()
    },
  }
}

const failed = (error: unknown): BrokerError =>
  new BrokerError('audit_failed', { reason: reasonOf(error) }, { cause: error })

/** The last records of an audit file, of as many bytes as are read; none where it is not there. Broken lines are skipped. */
export function readAuditTail(path: string, most = 8 * 1024 * 1024): AuditRecord[] {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return []
  }
  try {
    const { size } = fstatSync(file)
    const from = Math.max(0, size - most)
    const bytes = Buffer.alloc(size - from)
    const read = readSync(file, bytes, 0, bytes.length, from)
    const lines = bytes.toString('utf8', 0, read).split('\n')
    // What begins in the middle of a line is no record.
    return lines.slice(from > 0 ? 1 : 0).flatMap(recordOf)
  } finally {
    closeSync(file)
  }
}

function recordOf(line: string): AuditRecord[] {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? [value as AuditRecord] : []
  } catch {
    return []
  }
}

/**
 * The audit file, 0600, only ever appended to. A line that a crash cut short is ended, so that the next one is whole.
 *
 * Without `sync` a write only copies into memory of the system's, and is done where we stand: handed to another thread,
 * each is two turns of the event loop, through which the requests of a batch wait and outlive the young generation
 * (measured: between nothing and a third of a hand-out, by how busy the machine is). A disk that hangs holds up hand-outs either way; so it holds up the rest too. What waits for the disk is
 * another thread's.
 */
export function openAuditFile(path: string, { sync }: { sync: boolean }): Audit {
  const file = openSync(path, 'a+', 0o600)
  fchmodSync(file, 0o600)
  const { size } = fstatSync(file)
  const last = Buffer.alloc(1)
  if (size > 0 && readSync(file, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a)
    writeSync(file, '\n')
  // A disk that fills up cuts a line short; the next record must not be glued to it.
  let isTorn = false
  const writeBytes = async (bytes: Buffer): Promise<void> => {
    for (let at = 0; at < bytes.length; ) {
      const rest = bytes.subarray(at)
      at += sync ? await writeOnce(file, rest) : writeSync(file, rest)
      isTorn = bytes[at - 1] !== 0x0a
    }
  }
  const writeAll: WriteAll = async text => {
    await writeBytes(Buffer.from(isTorn ? `\n${text}` : text))
    if (sync)
      await new Promise<void>((done, fail) => fsync(file, error => (error ? fail(error) : done())))
  }
  return auditTo(writeAll, () => closeSync(file))
}

const writeOnce = (file: number, bytes: Buffer): Promise<number> =>
  new Promise((resolve, reject) =>
    write(file, bytes, (error, written) => (error ? reject(error) : resolve(written))),
  )

const reasonOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? 'unknown'
