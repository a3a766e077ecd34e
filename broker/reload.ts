import type { Config } from './config.ts'
import type { Complaint } from './config-rules.ts'

/** What a process keeps for its life: another value of these is for the next start. */
export function frozenFaults(before: Config, next: Config): Complaint[] {
  const same = (one: unknown, other: unknown): boolean =>
    JSON.stringify(one) === JSON.stringify(other)
  const rows: [string, unknown, unknown][] = [
    ['/issuer', before.issuer, next.issuer],
    ['/listen', { ...before.listen, tls: null }, { ...next.listen, tls: null }],
    ['/listen/tls', before.listen.tls === null, next.listen.tls === null],
    ['/listen/tls/clientCa', asksForCertificates(before), asksForCertificates(next)],
    ['/admin', before.admin, next.admin],
    ['/audit', before.audit, next.audit],
    ['/state', before.state, next.state],
    ['/sharedCache', before.sharedCache, next.sharedCache],
    ['/traces', before.traces, next.traces],
    ['/launch', launchOf(before), launchOf(next)],
    ['/launch/listen/tls', !before.launch?.listen.tls, !next.launch?.listen.tls],
    ['/metrics', { ...before.metrics, tls: null }, { ...next.metrics, tls: null }],
    ['/metrics/listen/tls', !before.metrics?.tls, !next.metrics?.tls],
  ]
  return rows
    .filter(([, one, other]) => !same(one, other))
    .map(([at]) => ({ at, message: 'cannot change while the broker runs: start it anew' }))
}

/** Upstreams may come and go, and the certificate be renewed. */
const launchOf = ({ launch }: Config): unknown =>
  launch && { ...launch, targets: null, listen: { ...launch.listen, tls: null } }

const asksForCertificates = ({ listen }: Config): boolean => Boolean(listen.tls?.clientCa)

export interface ReloadPorts {
  /** What changes when any file does that the config was made from. */
  fingerprint: () => string
  /** Reads it all, and hands it over whole. Throws where anything is wrong, and then nothing has changed. */
  load: () => Promise<void>
  onTaken: () => void
  onKept: (why: unknown) => void
}

export interface Reload {
  /** Looks whether anything changed, and takes it. */
  tick: () => Promise<void>
  /** Takes what is there, whether it changed or not, once what is being taken is. */
  now: () => Promise<void>
}

/**
 * A whole new generation or none: a config that is wrong is told once, and the one before goes on. What is found
 * changed is taken when it has stopped changing: half an upload is no config.
 */
export function openReload({ fingerprint, load, onTaken, onKept }: ReloadPorts): Reload {
  let taken = fingerprint()
  let seen = taken
  let loading = Promise.resolve()
  const takeIt = async (): Promise<void> => {
    taken = fingerprint()
    seen = taken
    try {
      await load()
    } catch (error) {
      onKept(error)
      return
    }
    onTaken()
  }
  const now = (): Promise<void> => {
    loading = loading.then(takeIt)
    return loading
  }
  return {
    now,
    tick: async () => {
      const found = fingerprint()
      const isAtRest = found === seen
      seen = found
      if (found !== taken && isAtRest) await now()
    },
  }
}
