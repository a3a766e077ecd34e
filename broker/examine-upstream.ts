import { randomUUID } from 'node:crypto'
import { readAuditTail } from './audit.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import { type Examined, examine, type Wish } from './diagnosis/examine.ts'
import { NO_PAST, readPast } from './diagnosis/past.ts'
import { surroundings } from './diagnosis/surroundings.ts'
import { openDesk } from './keys/desk.ts'
import { readOnly } from './keys/state-file.ts'
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
  const { clock, signers } = ports
  const quiet = { info: () => {}, warn: () => {}, error: () => {} }
  const desk = openDesk({
    ...{ clock, log: quiet, drawerOf: readOnly(config.state), onSwitched: () => {} },
    ...{ boardOf: () => null, wait: async () => {}, chance: () => 0, newName: randomUUID },
    past: id => {
      const { lastSuccess: at, acceptedKid: kid } = known.get(id) ?? NO_PAST
      return at === null || kid === null ? null : { at, kid }
    },
  })
  desk.take({ ...config, held: signers })
  const around = surroundings(
    config,
    { clock, keyOf: each => desk.handOf(each)?.key ?? null, assertion: GOOD_FOR },
    id => known.get(id) ?? NO_PAST,
  )
  const { postFor, close } = openConnections()
  try {
    const exchange = wish.asksToken
      ? exchangeWith({
          ...{ clock, postFor, signerFor: desk.signerFor, newJti: randomUUID },
          ...{ heed: desk.heed, onDate: () => {}, onSigning: () => {}, onAnswer: () => {} },
        })
      : null
    return await examine(upstream, around, { ...wish, exchange })
  } finally {
    await close()
  }
}
