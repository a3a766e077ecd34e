import { isIP, isIPv4 } from 'node:net'
import type { Complaint } from './config-rules.ts'
import type { ConfigFile } from './config-schema.ts'
import { isLoopback } from './urls.ts'

/** The rules between the settings of the services' listener. Pure. */
export const listenRules = ({ listen }: ConfigFile): Complaint[] => listenerRules(listen, '/listen')

/** The same of any listener whose settings stand at that place. Pure. */
export function listenerRules(listen: ListenFile, at: string): Complaint[] {
  const { behindProxy = false, trustedProxies = [] } = listen
  const complaints = listen.socket === undefined ? portRules(listen, at) : socketRules(listen, at)
  for (const [index, proxy] of trustedProxies.entries()) {
    if (!isNetwork(proxy))
      complaints.push({
        at: `${at}/trustedProxies/${index}`,
        message: 'is not an address or a network',
      })
  }
  if (trustedProxies.length > 0 && !behindProxy) {
    complaints.push({ at: `${at}/trustedProxies`, message: 'needs behindProxy: true' })
  }
  return complaints
}

type ListenFile = ConfigFile['listen']

function portRules(
  { host = '127.0.0.1', port, behindProxy = false, tls }: ListenFile,
  at: string,
): Complaint[] {
  const complaints: Complaint[] = []
  if (port === undefined) complaints.push({ at, message: 'needs either port or socket' })
  if (!isLoopback(host) && !tls && !behindProxy) {
    complaints.push({
      at: `${at}/host`,
      message:
        'is not a loopback address, so it needs tls, or behindProxy: true where a proxy terminates TLS',
    })
  }
  if (tls && behindProxy) complaints.push({ at: `${at}/behindProxy`, message: 'excludes tls' })
  return complaints
}

/** What has no meaning on a socket is not quietly passed over: somebody counts on it. */
function socketRules(listen: ListenFile, at: string): Complaint[] {
  return (['host', 'port', 'tls'] as const)
    .filter(name => listen[name] !== undefined)
    .map(name => ({ at: `${at}/${name}`, message: 'is not for a socket' }))
}

function isNetwork(text: string): boolean {
  const [address = '', prefix] = text.split('/')
  return (
    isIP(address) !== 0 && (prefix === undefined || Number(prefix) <= (isIPv4(address) ? 32 : 128))
  )
}
