import type { Policy } from './access/policy.ts'
import type { Audit, AuditRecord } from './audit.ts'
import { openRecord } from './audit-record.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import { asBrokerError, BrokerError } from './errors.ts'
import { grantedOf } from './issue-token.ts'
import type { Obtain } from './tokens/obtain.ts'
import type { Reported } from './tokens/renew.ts'
import type { FhirAnswer, FhirCall } from './upstream/fhir-client.ts'
import type { Upstream } from './upstream/upstream.ts'

/** What an operator has the broker ask of a FHIR server. */
export interface FhirOrder extends FhirCall {
  upstream: string
}

/** What came of it. The token that it was asked with stays here. */
export interface FhirChecked extends FhirAnswer {
  upstream: string
  url: string
  /** A token that the FHIR server refused has been replaced: asking again may help. */
  renewed: boolean
}

/** What the story is told with; `broker/app.ts` hands it over. */
export interface CheckRooms {
  config: () => Pick<Config, 'fhirCheck' | 'upstreams'>
  policy: () => Pick<Policy, 'generation'>
  obtain: Obtain
  reported: (sha256: string) => Reported | undefined
  urlOf: (fhirBase: string, call: Pick<FhirCall, 'method' | 'path'>) => string
  withoutValues: (url: string) => string
  call: (upstream: Upstream, token: string, call: FhirCall) => Promise<FhirAnswer>
  audit: Audit
  clock: Clock
}

/**
 * The broker calls a FHIR server in an operator's place, with a token that the operator never has. The record is
 * written before the call: no record, nothing read and nothing written. Refused: `fhir_check_off`,
 * `fhir_upstream_unknown`, `fhir_path_unusable`, and what getting a token and the call itself refuse.
 */
export async function checkFhir(
  order: FhirOrder,
  request: { id: string; address: string },
  rooms: CheckRooms,
): Promise<FhirChecked> {
  const { upstream, url, token } = await decide(order, request, rooms)
  const answer = await rooms.call(upstream, token.accessToken, order)
  const renewed =
    answer.status === 401 && (await rooms.reported(token.sha256)?.renew()) === 'renewed'
  return { ...answer, upstream: upstream.id, url, renewed }
}

async function decide(
  order: FhirOrder,
  request: { id: string; address: string },
  rooms: CheckRooms,
) {
  const action = order.method === 'GET' ? 'fhir_read' : 'fhir_write'
  const record: AuditRecord = openRecord(action, request, null, rooms.policy(), rooms.clock)
  try {
    const { fhirCheck, upstreams } = rooms.config()
    if (fhirCheck === null || (action === 'fhir_write' && fhirCheck !== 'write'))
      throw new BrokerError('fhir_check_off')
    const upstream = upstreams.get(order.upstream)
    if (upstream === undefined) throw new BrokerError('fhir_upstream_unknown')
    record.upstream = upstream.id
    const url = rooms.urlOf(upstream.fhirBase, order)
    record.asked = {
      ...{ audience: upstream.id, resource: rooms.withoutValues(url) },
      ...{ scope: null, minimum_ttl: 0 },
    }
    const obtained = await rooms.obtain({ upstream, scopes: upstream.scopes, minimumTtl: 0 })
    record.granted = grantedOf(obtained)
    record.decision = 'granted'
    await rooms.audit.record(record)
    return { upstream, url, token: obtained.token }
  } catch (thrown) {
    const error = asBrokerError(thrown)
    if (error.code === 'audit_failed') throw error
    await rooms.audit.record({ ...record, decision: 'refused', code: error.code, granted: null })
    throw error
  }
}
