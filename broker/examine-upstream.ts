import { randomUUID } from 'node:crypto'
import { readAuditTail } from './audit.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import { type Examined, examine, type Wish } from './diagnosis/examine.ts'
import { NO_PAST, readPast } from './diagnosis/past.ts'
import { surroundings } from './diagnosis/surroundings.ts'
import { BrokerError } from './errors.ts'
import type { SigningKey } from './keys/signing-keys.ts'
import type { Signers } from './signers.ts'
import { GOOD_FOR } from './upstream/assertion.ts'
import { openConnections } from './upstream/connections.ts'
import { exchangeWith } from './upstream/exchange.ts'
import type { Upstream } from './upstream/upstream.ts'

/** `diagnose` of one upstream, without the daemon; what worked before is read from the audit file. */
export async function examineUpstream(
  upstream: Upstream,
  config: Config,
  ports: { clock: Clock; signers: Signers },
  wish: Omit<Wish, 'exchange'> & { asksToken: boolean },
): Promise<Examined> {
  const known = readPast(readAuditTail(config.audit.file))
  const around = surroundings(
    config,
    { ...ports, assertion: GOOD_FOR },
    id => known.get(id) ?? NO_PAST,
  )
  const { postFor, close } = openConnections()
  try {
    const signerFor = (): SigningKey => {
      const signer = ports.signers.get(upstream.id)
      if (!signer) throw new BrokerError('signing_failed', { upstream: upstream.id })
      return signer
    }
    const exchange = wish.asksToken
      ? exchangeWith({
          ...{ clock: ports.clock, postFor, signerFor, newJti: randomUUID },
          onDate: () => {},
        })
      : null
    return await examine(upstream, around, { ...wish, exchange })
  } finally {
    await close()
  }
}
