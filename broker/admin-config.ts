import type { Complaint } from './config-rules.ts'
import type { ConfigFile } from './config-schema.ts'
import { socketFault } from './unix-socket.ts'

/** Where the operator's listener is: a socket, or a port of this machine that asks for a token. */
export interface AdminAddress {
  socket: string | null
  port: number | null
  token: string | null
}

/** Characters; fewer can be guessed. */
const LEAST_TOKEN = 32

/** The operator's listener as the config has it; by default a socket beside the config. Complains of what cannot be. */
export function settleAdmin(
  admin: ConfigFile['admin'] = {},
  path: (given: string) => string,
  read: (given: string, at: string) => string | null,
  complaints: Complaint[],
): AdminAddress {
  const { port, tokenFile, socket = 'admin.sock' } = admin
  const complain = (at: string, message: string): number => complaints.push({ at, message })
  if (port === undefined) {
    if (tokenFile !== undefined) complain('/admin/tokenFile', 'goes with port; a socket needs none')
    const full = path(socket)
    const fault = socketFault(full)
    if (fault !== null) complain('/admin/socket', fault)
    return { socket: full, port: null, token: null }
  }
  if (admin.socket !== undefined) complain('/admin/socket', 'excludes port')
  if (tokenFile === undefined) {
    complain('/admin/port', 'needs tokenFile: on a port anybody of this machine could ask')
    return { socket: null, port, token: null }
  }
  return {
    socket: null,
    port,
    token: readToken(tokenFile, '/admin/tokenFile', { read, complaints }),
  }
}

/** One token in a file, without its line end. Complains of one that could be guessed. */
export function readToken(
  file: string,
  at: string,
  {
    read,
    complaints,
  }: { read: (given: string, at: string) => string | null; complaints: Complaint[] },
): string | null {
  const token = read(file, at)?.trim() ?? null
  if (token !== null && !(token.length >= LEAST_TOKEN && /^[\x21-\x7e]+$/.test(token)))
    complaints.push({
      at,
      message: `must hold one token of ${LEAST_TOKEN} printable characters or more`,
    })
  return token
}
