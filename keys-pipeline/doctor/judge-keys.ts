import type { Finding } from '../errors.ts'
import { type Candidate, openKeyFile } from '../forms.ts'
import { type PublicKey, toPublicKey } from '../jwk.ts'
import { judgeKeySet } from '../key-set.ts'
import type { PrivateKey } from '../private-key.ts'
import type { Look } from '../published.ts'
import type { Comparison } from './evidence.ts'
import type { FaultName } from './faults.ts'
import { fault, fromFinding, good, orGood, type Remark } from './remark.ts'
import { takenBy, type VendorName } from './vendors.ts'

/** What the keys of a live set are compared with, beside the rules. */
export interface Beside {
  /** The EHR that must take a key of the set. */
  ehr: VendorName
  comparison: Comparison | null
  privateKey: PrivateKey['half'] | null
}

export interface LiveKeys {
  remarks: Remark[]
  keys: PublicKey[]
}

/** The document and each key in it, as the strictest EHR would read them. Pure. */
export function judgeKeys(look: Look, beside: Beside): LiveKeys {
  const { candidates, form, findings } = openKeyFile(look.url, look.body)
  const unread = documentFault(look, form, findings)
  if (unread) return { remarks: [unread], keys: [] }
  const secrets = findings.filter(each => each.code.startsWith('private_'))
  if (secrets.length > 0)
    return { remarks: secrets.map(each => fromFinding('secret', each)), keys: [] }
  if (candidates.length + findings.length === 0)
    return { remarks: [fault('no_keys', '"keys" is empty')], keys: [] }
  const judged = candidates.map(each => toPublicKey(each, look.url))
  const keys = judged.flatMap(each => each.key ?? [])
  const refused = [...findings, ...judged.flatMap(each => each.findings)]
  const found = [...refused, ...judgeKeySet(keys, look.url)].map(each => fromFinding('keys', each))
  return {
    keys,
    remarks: [
      ...judgeDocument(look, candidates),
      good('secret', 'no private member, whatever its depth'),
      ...orGood(
        [...found, ...candidates.flatMap(memberFaults)],
        'keys',
        keys.map(({ jwk, bits }) => `${jwk.kid} ${jwk.alg} ${bits} bits`).join(', '),
      ),
      ...(refused.length === 0 ? [judgeVendor(beside.ehr, keys)] : []),
      // A set with bad keys differs from what was built for that reason alone.
      ...(beside.comparison && refused.length === 0 ? compare(look, keys, beside.comparison) : []),
      ...(beside.privateKey ? judgePrivateKey(keys, beside.privateKey) : []),
    ],
  }
}

/** Bytes. */
const LARGE = 64 * 1024

function judgeDocument({ body }: Look, candidates: readonly Candidate[]): Remark[] {
  const seen = `${candidates.length} ${candidates.length === 1 ? 'key' : 'keys'}, ${body.length} bytes`
  return [body.length > LARGE ? fault('size_large', seen) : good('json', seen)]
}

/** What makes it no document of keys at all; private keys in it are told before anything else. */
function documentFault(
  { body }: Look,
  form: 'key' | 'set',
  findings: readonly Finding[],
): Remark | null {
  const [finding] = findings
  if (finding?.code.startsWith('private_')) return null
  if (finding && !isJson(body)) return fault('not_json', finding.message)
  if (finding?.code === 'json_member_twice') return fromFinding('json', finding)
  if (form === 'set') return null
  return fault('not_key_set', finding?.message ?? 'a key that stands alone')
}

function isJson(body: Buffer): boolean {
  try {
    JSON.parse(body.toString('utf8').replace(/^\uFEFF/, ''))
    return true
  } catch {
    return false
  }
}

const MEMBERS = ['kty', 'use', 'alg', 'kid', 'n', 'e', 'crv', 'x', 'y', 'key_ops']

/** What a reader of files mends by itself, and an EHR does not. */
function memberFaults(candidate: Candidate, at: number): Remark[] {
  const { kid } = candidate
  const which = typeof kid === 'string' ? `kid ${kid.slice(0, 128)}` : `key ${at + 1} of the set`
  const say = (code: FaultName): Remark => fault(code, which)
  const extra = Object.keys(candidate).filter(name => !MEMBERS.includes(name))
  return [
    ...(kid === undefined ? [say('kid_missing')] : []),
    ...(candidate['alg'] === undefined ? [say('alg_missing')] : []),
    ...(candidate['use'] === undefined && candidate['key_ops'] === undefined
      ? [say('use_missing')]
      : []),
    ...(extra.length > 0
      ? [fault('members_extra', `${which}: ${extra.map(name => name.slice(0, 20)).join(', ')}`)]
      : []),
  ]
}

function judgeVendor(name: VendorName, keys: readonly PublicKey[]): Remark {
  const { title, takes, of, algs, source } = takenBy(name, keys)
  const seen = `${title} takes ${takes} of ${of}`
  const remark =
    takes > 0
      ? good('ehr', seen)
      : fault('ehr_takes_none', `${seen}: it asks for ${algs.join(' or ')}`)
  return { ...remark, source }
}

function compare({ body }: Look, keys: readonly PublicKey[], expected: Comparison): Remark[] {
  const { environment, text, others } = expected
  const without = (these: readonly PublicKey[], those: readonly PublicKey[]): PublicKey[] =>
    these.filter(key => !those.some(each => each.thumbprint === key.thumbprint))
  const kids = (these: readonly PublicKey[]): string => these.map(({ jwk }) => jwk.kid).join(', ')
  const missing = without(expected.keys, keys)
  const foreign = keys.filter(key => others.some(each => each.thumbprint === key.thumbprint))
  const extra = without(without(keys, expected.keys), foreign)
  const found: Remark[] = []
  if (missing.length > 0) found.push(fault('keys_missing', `of ${environment}: ${kids(missing)}`))
  if (foreign.length > 0) found.push(fault('key_of_other_environment', kids(foreign)))
  if (extra.length > 0) found.push(fault('keys_extra', `in no key file: ${kids(extra)}`))
  if (found.length === 0 && text !== body.toString('utf8'))
    found.push(fault('text_differs', `the keys of ${environment} in other bytes`))
  return orGood(found, 'repository', `the very bytes that are built for ${environment}`)
}

function judgePrivateKey(keys: readonly PublicKey[], half: PublicKey): Remark[] {
  const twin = keys.find(each => each.thumbprint === half.thumbprint)
  if (twin === undefined)
    return [fault('private_key_not_published', `thumbprint ${half.thumbprint} is not in the set`)]
  // Without a kid of its own a private key has its thumbprint for one, and signs under what is published.
  const named = half.jwk.kid === half.thumbprint ? twin.jwk.kid : half.jwk.kid
  if (named !== twin.jwk.kid)
    return [fault('private_key_kid_differs', `the file says ${named}, the set ${twin.jwk.kid}`)]
  return [good('private_key', `its public half is published, under kid ${twin.jwk.kid}`)]
}
