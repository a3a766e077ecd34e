import { execFileSync } from 'node:child_process'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import fastify from 'fastify'
import { describe, expect, test } from 'vitest'
import { readSite } from '../../keys-pipeline/built-site.ts'
import {
  CODES,
  type Code,
  type Finding,
  finding,
  PipelineError,
  shown,
} from '../../keys-pipeline/errors.ts'
import type { PublicKey } from '../../keys-pipeline/jwk.ts'
import { judgeKeys } from '../../keys-pipeline/pipeline.ts'
import { openPrivateKey } from '../../keys-pipeline/private-key.ts'
import { MOST_BYTES, readPaths } from '../../keys-pipeline/read.ts'
import { listenOn, readIdentity } from '../../keys-pipeline/serve.ts'
import { readSettings } from '../../keys-pipeline/settings.ts'
import { replaceFolder, writeNew } from '../../keys-pipeline/write.ts'
import {
  asIs,
  codes,
  fill,
  folderWith,
  freshEc,
  p256,
  p384,
  published,
  refusal,
  rsa,
  type Tree,
} from '../support/keys.ts'
import { openssl } from '../support/openssl.ts'

test('every code has a sentence that says what to do', () => {
  for (const [code, fix] of Object.entries(CODES)) expect(fix.length, code).toBeGreaterThan(15)
})

test('an error carries all its findings, and the code of the first', () => {
  const [one, two] = [finding('kid_dev', 'a', 'x'), finding('set_empty', 'b', 'y', 'kid')]
  expect(new PipelineError(one, two)).toMatchObject({ code: 'kid_dev', findings: [one, two] })
  expect(two).toMatchObject({ file: 'b', kid: 'kid', fix: CODES.set_empty })
})

test.each([
  ['\u001b[31mred', '\\u001b[31mred'],
  ['a\nb\tc', 'a\\u000ab\\u0009c'],
  ['\u202edesrever', '\\u202edesrever'],
  ['\u{1f600}', '\\u{1f600}'],
  ['plain kid-1', 'plain kid-1'],
])('%j cannot play with a terminal', (text, expected) => {
  expect(shown(text)).toBe(expected)
})

test('whatever the text, what is shown of it is printable ASCII, and printable ASCII is shown as it is', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), text => /^[\x20-\x7e]*$/.test(shown(text))))
  fc.assert(fc.property(fc.string({ unit: 'grapheme-ascii' }), text => shown(text) === text))
})

/**
 * What is said of a live set, of GitHub or of a change has tests of its own, which are as complete: published.test.ts,
 * verify.test.ts, policy.test.ts, add.test.ts, retire.test.ts and github/.
 */
type Local = Exclude<
  Code,
  | `${'live' | 'github' | 'pages' | 'branch' | 'actions' | 'deployment' | 'proof'}_${string}`
  | ('only_young_keys' | 'live_since_unknown' | 'url_changed' | 'removal_without_reason')
  | ('still_signing' | 'release_invalid' | 'key_not_found')
>

/** One way to each code; the type has every code, so that a new one cannot go untested. */
const WAYS: Record<Local, () => readonly Finding[] | Promise<readonly Finding[]>> = {
  private_member: () => nonprod({ 'a.json': rsa().secret }),
  private_pem: () => nonprod({ 'a.pem': rsa().privatePem }),
  private_der: () => nonprod({ 'a.der': openssl(['pkey', '-outform', 'DER'], rsa().privatePem) }),
  private_pkcs12: () =>
    nonprod({
      'a.p12': openssl(['pkcs12', '-export', '-nocerts', '-passout', 'pass:x'], rsa().privatePem),
    }),
  file_unreadable: () => readPaths(['/nowhere'], asIs).findings,
  file_oversize: () => nonprod({ 'a.pem': Buffer.alloc(MOST_BYTES + 1) }),
  file_unknown: () => nonprod({ 'a.txt': '' }),
  file_not_regular: () => {
    const folder = folderWith()
    execFileSync('mkfifo', [join(folder, 'a.pem')])
    return readPaths([folder], asIs).findings
  },
  link_outside: () => {
    const folder = folderWith()
    symlinkSync('/etc/hostname', join(folder, 'a.pem'))
    return readPaths([folder], asIs).findings
  },
  text_encoding: () => nonprod({ 'a.pem': Buffer.from(rsa().pem, 'utf16le') }),
  form_unknown: () => nonprod({ 'a.pem': 'x' }),
  pem_truncated: () => nonprod({ 'a.pem': rsa().pem.slice(0, 99) }),
  pem_unreadable: () => nonprod({ 'a.pem': rsa().pem.replace(/\n.*\n/, '\n') }),
  several_keys_in_file: () => nonprod({ 'a.pem': rsa().pem + p256().pem }),
  json_unreadable: () => nonprod({ 'a.json': '{' }),
  json_member_twice: () => nonprod({ 'a.json': '{"kty":"EC","kty":"EC"}' }),
  key_malformed: () => nonprod({ 'a.json': { kty: 'RSA' } }),
  kty_unsupported: () => nonprod({ 'a.json': { kty: 'OKP' } }),
  curve_unsupported: () => nonprod({ 'a.pem': freshEc('P-521').pem }),
  base64url_not_canonical: () => nonprod({ 'a.json': { ...rsa().jwk, e: 'AQAB=' } }),
  integer_leading_zero: () => nonprod({ 'a.json': { ...rsa().jwk, e: 'AAEAAQ' } }),
  ec_coordinate_length: () => nonprod({ 'a.json': { ...p256().jwk, crv: 'P-384' } }),
  point_off_curve: () =>
    nonprod({ 'a.json': { ...p256().jwk, x: p256().jwk['y'], y: p256().jwk['x'] } }),
  rsa_short: () => nonprod({ 'a.pem': rsaOf('rsa_keygen_bits:1024') }),
  rsa_long: () =>
    nonprod({ 'a.json': { ...rsa().jwk, n: Buffer.alloc(2049, 255).toString('base64url') } }),
  rsa_exponent: () => nonprod({ 'a.pem': rsaOf('rsa_keygen_pubexp:3') }),
  rsa_modulus_weak: () =>
    nonprod({ 'a.json': { ...rsa().jwk, n: Buffer.alloc(256, 0xf0).toString('base64url') } }),
  use_not_sig: () => nonprod({ 'a.json': { ...rsa().jwk, use: 'enc' } }),
  alg_unsupported: () => nonprod({ 'a.json': { ...rsa().jwk, alg: 'PS256' } }),
  alg_mismatch: () => nonprod({ 'a.json': { ...rsa().jwk, alg: 'ES256' } }),
  kid_invalid: () => nonprod({ 'a.json': { ...rsa().jwk, kid: '' } }),
  kid_dev: () => nonprod({ 'a.json': { ...rsa().jwk, kid: 'dev-1' } }),
  kid_duplicate: () =>
    nonprod({ 'a.json': { ...p256().jwk, kid: 'k' }, 'b.json': { ...p384().jwk, kid: 'k' } }),
  key_twice: () => nonprod({ 'a.json': p256().jwk, 'b.json': { ...p256().jwk, kid: 'k' } }),
  key_in_both_environments: () => {
    const folder = folderWith({ 'production/a.pem': rsa().pem, 'nonprod/b.json': rsa().jwk })
    return judgeKeys(folder, asIs).findings
  },
  set_empty: () => nonprod({}),
  too_many_keys: () =>
    nonprod({ 'a.json': { keys: Array.from({ length: 101 }, () => freshEc().jwk) } }),
  lifecycle_unreadable: () => nonprod({ 'lifecycle.json': '{' }),
  kid_changed: () =>
    nonprod({ 'a.json': { ...p256().jwk, kid: 'k' }, 'lifecycle.json': retiredAs('k') }),
  retired_key_returns: () =>
    nonprod({ 'a.json': p256().jwk, 'lifecycle.json': retiredAs('k', published(p256().jwk)) }),
  private_key_unusable: () => refusal(() => openPrivateKey('/nowhere', asIs)),
  settings_invalid: () => {
    const folder = folderWith({ 'publisher.yaml': '{}' })
    return refusal(() => readSettings(join(folder, 'publisher.yaml'), asIs))
  },
  out_not_ours: () => refusal(() => replaceFolder(folderWith({ mine: '' }), new Map(), asIs)),
  out_damaged: () => refusal(() => readSite(folderWith(), asIs)),
  tls_unusable: () => refusal(() => readIdentity('/nowhere', '/nowhere', asIs)),
  address_unusable: () =>
    listenOn(fastify(), '192.0.2.1', 0).then(
      () => [],
      error => (error as PipelineError).findings,
    ),
  write_failed: () => {
    const folder = folderWith({ out: 'a file' })
    return refusal(() => replaceFolder(join(folder, 'out'), new Map(), asIs))
  },
  file_exists: () => {
    const folder = folderWith({ a: '' })
    return refusal(() => writeNew(join(folder, 'a'), '', { scratch: folder, show: asIs }))
  },
}

describe('there is a way to every code', () => {
  test.each(Object.entries(WAYS))('%s', async (code, way) => {
    expect(codes(await way())).toContain(code)
  })
})

/** A lifecycle file in which a key of this kid is retired: this one, or one that nobody has. */
function retiredAs(kid: string, key?: PublicKey): object {
  const [created, reason] = ['2026-11-25T00:00:00Z', 'x']
  const entry = { kid, created, role: 'signer', retired: { at: created, reason } }
  return { keys: { [key?.thumbprint ?? 'A'.repeat(43)]: entry } }
}

function nonprod(files: Tree): readonly Finding[] {
  const folder = folderWith()
  fill(join(folder, 'nonprod'), files)
  return judgeKeys(folder, asIs).findings
}

function rsaOf(option: string): Buffer {
  const pair = openssl(['genpkey', '-algorithm', 'RSA', '-pkeyopt', option])
  return openssl(['pkey', '-pubout'], pair)
}
