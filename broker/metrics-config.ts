import { readToken } from './admin-config.ts'
import type { Complaint } from './config-rules.ts'
import type { ConfigFile } from './config-schema.ts'
import { isLoopback } from './urls.ts'

/** Where Prometheus asks, if not at the operator's listener. */
export interface MetricsAddress {
  host: string
  port: number
  /** What it must show; null where it is asked for nothing. */
  token: string | null
  /** PEM. */
  tls: { cert: string; key: string } | null
}

/** The listener for metrics as the config has it. Complains of one that anybody of the network could ask in clear. */
export function settleMetrics(
  { host = '127.0.0.1', port, tokenFile, tls }: NonNullable<ConfigFile['metrics']>['listen'],
  tools: {
    read: (given: string, at: string) => string | null
    readIdentity: (
      named: { cert: string; key: string },
      at: string,
    ) => NonNullable<MetricsAddress['tls']>
    complaints: Complaint[]
  },
): MetricsAddress {
  if (!isLoopback(host) && !tokenFile && !tls)
    tools.complaints.push({
      at: '/metrics/listen/host',
      message: 'is not a loopback address, so it needs tokenFile or tls',
    })
  return {
    ...{ host, port },
    token: tokenFile ? readToken(tokenFile, '/metrics/listen/tokenFile', tools) : null,
    tls: tls ? tools.readIdentity(tls, '/metrics/listen/tls') : null,
  }
}
