import { isIP, isIPv4 } from 'node:net'
import type { Complaint } from './config-rules.ts'
import type { ConfigFile } from './config-schema.ts'
import { isLoopback } from './urls.ts'

/** The rules between the settings of the services' listener. Pure. */
export function listenRules({ listen }: ConfigFile): Complaint[] {
  const { behindProxy = false, trustedProxies = [] } = listen
  const complaints = listen.socket === undefined ? portRules(listen) : socketRules(listen)
  for (const [index, proxy] of trustedProxies.entries()) {
    if (!isNetwork(proxy))
      complaints.push({
        at: `/listen/trustedProxies/${index}`,
        message: 'is not an address or a network',
      })
  }
  if (trustedProxies.length > 0 && !behindProxy) {
    complaints.push({ at: '/listen/trustedProxies', message: 'needs behindProxy: true' })
  }
  return complaints
}

type ListenFile = ConfigFile['listen']

function portRules({ host = '127.0.0.1', port, behindProxy = false, tls }: ListenFile) {
  const complaints: Complaint[] = []
  if (port === undefined) complaints.push({ at: '/listen', message: 'needs either port or socket' })
  if (!isLoopback(host) && !tls && !behindProxy) {
    complaints.push({
      at: '/listen/host',
      message:
        'is not a loopback address, so it needs tls, or behindProxy: true where a proxy terminates TLS',
    })
  }
  if (tls && behindProxy) complaints.push({ at: '/listen/behindProxy', message: 'excludes tls' })
  return complaints
}

/** What has no meaning on a socket is not quietly passed over: somebody counts on it. */
function socketRules(listen: ListenFile): Complaint[] {
  return (['host', 'port', 'tls'] as const)
    .filter(name => listen[name] !== undefined)
    .map(name => ({ at: `/listen/${name}`, message: 'is not for a socket' }))
}

function isNetwork(text: string): boolean {
  const [address = '', prefix] = text.split('/')
  return (
    isIP(address) !== 0 && (prefix === undefined || Number(prefix) <= (isIPv4(address) ? 32 : 128))
  )
}
