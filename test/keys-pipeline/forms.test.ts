import { spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { PRIVATE_MEMBERS } from '../../keys-pipeline/algorithms.ts'
import type { Code } from '../../keys-pipeline/errors.ts'
import { openKeyFile } from '../../keys-pipeline/forms.ts'
import { thumbprint } from '../../keys-pipeline/jwk.ts'
import { openSource } from '../../keys-pipeline/pipeline.ts'
import { codes, freshEc, once, p256, p384, rsa } from '../support/keys.ts'
import { openssl } from '../support/openssl.ts'

const read = (content: string | Buffer) =>
  openSource({ file: 'key', folder: '.', bytes: Buffer.from(content) })

const rsaPrint = () => thumbprint(rsa().jwk, 'RSA')
const p256Print = () => thumbprint(p256().jwk, 'EC')

const certificate = once(() =>
  openssl(
    ['req', '-x509', '-new', '-key', '/dev/stdin', '-subj', '/CN=test', '-days', '9'],
    rsa().privatePem,
  ).toString(),
)
const pkcs1 = (form: string): Buffer =>
  openssl(['rsa', '-pubin', '-RSAPublicKey_out', '-outform', form], rsa().pem)
const spki = (form: string): Buffer => openssl(['pkey', '-pubin', '-outform', form], rsa().pem)
const ecPoint = (form: string): Buffer => openssl(['ec', '-pubin', '-conv_form', form], p256().pem)
const generated = (...args: string[]): Buffer =>
  openssl(['pkey', '-pubout'], openssl(['genpkey', ...args]))
const ecCurve = (name: string): Buffer =>
  openssl(['ec', '-pubout'], openssl(['ecparam', '-name', name, '-genkey', '-noout']))
const body = (pem: string): string => pem.replace(/-----[^-]+-----|\s/g, '')
const der = (pem: string): Buffer => Buffer.from(body(pem), 'base64')
const armour = (label: string, bytes: Buffer): string =>
  `-----BEGIN ${label}-----\n${bytes.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END ${label}-----\n`

/** What ssh-keygen makes of an RSA key of its own. */
function sshKey(): { pub: Buffer; exported: Buffer; secret: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-ssh-'))
  try {
    const file = join(folder, 'id')
    const keygen = (...args: string[]) => spawnSync('ssh-keygen', args).stdout
    keygen('-q', '-t', 'rsa', '-b', '2048', '-N', '', '-f', file)
    const [pub, secret] = [`${file}.pub`, file].map(path => openssl(['enc', '-in', path]))
    if (!pub || !secret) throw new Error('ssh-keygen')
    return { pub, secret, exported: keygen('-e', '-m', 'PKCS8', '-f', `${file}.pub`) }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe('a public key is read from', () => {
  test.each<[string, () => string | Buffer, () => string]>([
    ['SPKI in PEM', () => spki('PEM'), rsaPrint],
    ['SPKI in DER', () => spki('DER'), rsaPrint],
    ['PKCS#1 in PEM', () => pkcs1('PEM'), rsaPrint],
    ['PKCS#1 in DER', () => pkcs1('DER'), rsaPrint],
    ['PKCS#1 under the label of SPKI', () => armour('PUBLIC KEY', pkcs1('DER')), rsaPrint],
    ['a certificate in PEM', certificate, rsaPrint],
    ['a certificate in DER', () => openssl(['x509', '-outform', 'DER'], certificate()), rsaPrint],
    ['a trusted certificate', () => openssl(['x509', '-trustout'], certificate()), rsaPrint],
    [
      'a certificate with its text before it',
      () => openssl(['x509', '-text'], certificate()),
      rsaPrint,
    ],
    ['PEM with CRLF', () => rsa().pem.replace(/\n/g, '\r\n'), rsaPrint],
    ['PEM with bare CR', () => rsa().pem.replace(/\n/g, '\r'), rsaPrint],
    ['PEM with a byte order mark', () => `\uFEFF${rsa().pem}`, rsaPrint],
    ['PEM with text before and after', () => `Our key\n\n${rsa().pem}\nBag Attributes\n`, rsaPrint],
    ['PEM that is indented, as in YAML', () => rsa().pem.replace(/^/gm, '    '), rsaPrint],
    [
      'PEM on one line',
      () => armour('PUBLIC KEY', der(rsa().pem)).replace(/(?<=[^-])\n(?=[^-])/g, ''),
      rsaPrint,
    ],
    ['PEM without a line end at the end', () => rsa().pem.trimEnd(), rsaPrint],
    ['an EC key in PEM', () => p256().pem, p256Print],
    ['an EC key with a compressed point', () => ecPoint('compressed'), p256Print],
    ['an EC key with a hybrid point', () => ecPoint('hybrid'), p256Print],
    [
      'EC parameters and a key',
      () => Buffer.concat([openssl(['ecparam', '-name', 'prime256v1']), Buffer.from(p256().pem)]),
      p256Print,
    ],
    ['a JWK', () => JSON.stringify(p256().jwk), p256Print],
    [
      'a JWK with white space around',
      () => `\n  ${JSON.stringify(p256().jwk, null, 2)}\r\n`,
      p256Print,
    ],
    ['a JWK with a byte order mark', () => `\uFEFF${JSON.stringify(p256().jwk)}`, p256Print],
    ['a JWKS of one key', () => JSON.stringify({ keys: [p256().jwk] }), p256Print],
  ])('%s', (_, content, print) => {
    const { keys, findings } = read(content())
    expect(codes(findings)).toEqual([])
    expect(keys.map(key => key.thumbprint)).toEqual([print()])
  })

  test('what ssh-keygen -m PKCS8 exports', () => {
    const { exported } = sshKey()
    const { keys, findings } = read(exported)
    expect(codes(findings)).toEqual([])
    expect(keys).toMatchObject([{ bits: 2048, jwk: { kty: 'RSA' } }])
    const text = openssl(['rsa', '-pubin', '-noout', '-modulus'], exported).toString()
    const [key] = keys
    const n = key?.jwk.kty === 'RSA' ? Buffer.from(key.jwk.n, 'base64url').toString('hex') : ''
    expect(text.trim().toLowerCase()).toBe(`modulus=${n}`)
  })

  test('a JWKS of several keys, each judged for itself', () => {
    const { form, keys, findings } = read(
      JSON.stringify({ keys: [rsa().jwk, { ...p256().jwk, use: 'enc' }, p384().jwk] }),
    )
    expect(form).toBe('set')
    expect(keys.map(key => key.jwk.alg)).toEqual(['RS384', 'ES384'])
    expect(codes(findings)).toEqual(['use_not_sig'])
  })
})

describe('private material ends the reading', () => {
  const secret = (...args: string[]) => openssl(args, rsa().privatePem)
  const encrypted = ['-aes128', '-passout', 'pass:x']
  const sec1 = once(() => p256().privateKey.export({ type: 'sec1', format: 'pem' }).toString())
  const pkcs12 = once(() =>
    openssl(
      ['pkcs12', '-export', '-passout', 'pass:x', '-in', '/dev/stdin'],
      `${rsa().privatePem}${certificate()}`,
    ),
  )

  test.each<[string, () => string | Buffer, Code]>([
    ['PKCS#8 in PEM', () => rsa().privatePem, 'private_pem'],
    ['PKCS#1 in PEM', () => secret('rsa', '-traditional'), 'private_pem'],
    ['SEC 1 in PEM', sec1, 'private_pem'],
    ['PKCS#8 in PEM, encrypted', () => secret('pkey', ...encrypted), 'private_pem'],
    ['PKCS#1 in PEM, encrypted', () => secret('rsa', '-traditional', ...encrypted), 'private_pem'],
    ['OpenSSH', () => sshKey().secret, 'private_pem'],
    ['PEM after a public key', () => rsa().pem + p256().privatePem, 'private_pem'],
    ['PEM before a public key', () => p256().privatePem + rsa().pem, 'private_pem'],
    ['PEM after a certificate', () => certificate() + rsa().privatePem, 'private_pem'],
    ['PEM with CRLF', () => rsa().privatePem.replace(/\n/g, '\r\n'), 'private_pem'],
    ['PEM that is cut off', () => rsa().privatePem.slice(0, 200), 'private_pem'],
    ['PEM with a byte order mark', () => `\uFEFF${rsa().privatePem}`, 'private_pem'],
    ['PEM that is quoted', () => `> ${rsa().privatePem.replace(/\n/g, '\n> ')}`, 'private_pem'],
    ['PKCS#8 in DER', () => der(rsa().privatePem), 'private_der'],
    ['PKCS#1 in DER', () => secret('rsa', '-traditional', '-outform', 'DER'), 'private_der'],
    ['SEC 1 in DER', () => der(sec1()), 'private_der'],
    ['EC PKCS#8 in DER', () => der(p256().privatePem), 'private_der'],
    [
      'PKCS#8 in DER, encrypted',
      () => secret('pkcs8', '-topk8', '-outform', 'DER', '-passout', 'pass:x'),
      'private_der',
    ],
    [
      'DER after a public key in DER',
      () => Buffer.concat([spki('DER'), der(rsa().privatePem)]),
      'private_der',
    ],
    [
      'DER after a certificate in DER',
      () => Buffer.concat([der(certificate()), der(rsa().privatePem)]),
      'private_der',
    ],
    [
      'DER after a public key, in one PEM',
      () => armour('PUBLIC KEY', Buffer.concat([spki('DER'), der(rsa().privatePem)])),
      'private_pem',
    ],
    ['DER under a public label', () => armour('PUBLIC KEY', der(rsa().privatePem)), 'private_pem'],
    ['PKCS#12', pkcs12, 'private_pkcs12'],
    [
      'a JWK after a public PEM',
      () => `${rsa().pem}\n${JSON.stringify(rsa().secret)}`,
      'private_member',
    ],
    ['a list of JWKs', () => JSON.stringify([rsa().secret]), 'private_member'],
  ])('%s', (_, content, code) => {
    const { keys, findings } = read(content())
    expect(keys).toEqual([])
    expect(codes(findings)).toEqual([code])
  })

  test.each(PRIVATE_MEMBERS)(
    'a key that carries the private member %s is never published',
    name => {
      for (const value of ['AQAB', '', null, 0, [], {}]) {
        const { keys, findings } = read(JSON.stringify({ ...rsa().jwk, [name]: value }))
        expect(keys).toEqual([])
        expect(codes(findings)).toEqual(['private_member'])
      }
    },
  )

  const ed25519 = () => generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
  const mlDsa = () => generateKeyPairSync('ml-dsa-44').privateKey.export({ format: 'jwk' })
  const text = (pair: () => { jwk: object }, more: string) =>
    `{${JSON.stringify(pair().jwk).slice(1, -1)},${more}}`
  const d = () => JSON.stringify(p256().secret['d'])

  test.each<[string, () => string]>([
    ['a whole private JWK', () => JSON.stringify(rsa().secret)],
    ['a symmetric key', () => JSON.stringify({ kty: 'oct', k: 'c2VjcmV0' })],
    ['an Edwards key', () => JSON.stringify(ed25519())],
    ['an ML-DSA key', () => JSON.stringify(mlDsa())],
    ['d whose name is escaped', () => text(p256, `"\\u0064":${d()}`)],
    ['d twice', () => text(p256, `"d":${d()},"d":null`)],
    ['d twice, once escaped', () => text(p256, `"d":${d()},"\\u0064":null`)],
    ['d beside the keys of a set', () => JSON.stringify({ keys: [p256().jwk], d: 'x' })],
    ['one private key among others', () => JSON.stringify({ keys: [rsa().jwk, p256().secret] })],
    ['d in an unknown member', () => JSON.stringify({ ...p256().jwk, backup: { d: 'x' } })],
    [
      'd deep in an unknown member',
      () => JSON.stringify({ ...p256().jwk, a: [[{ b: [{ d: 'x' }] }]] }),
    ],
    ['d in __proto__', () => text(p256, `"__proto__":{"d":${d()}}`)],
    ['d in constructor', () => text(p256, `"constructor":{"prototype":{"d":${d()}}}`)],
    ['a private PEM in a string', () => JSON.stringify({ ...rsa().jwk, pem: rsa().privatePem })],
    [
      'a private PEM in a list',
      () => JSON.stringify({ keys: [{ ...rsa().jwk, x5c: [rsa().privatePem] }] }),
    ],
    ['a private PEM as kid', () => JSON.stringify({ ...rsa().jwk, kid: rsa().privatePem })],
    [
      'a private PEM as the name of a member',
      () => JSON.stringify({ ...rsa().jwk, [rsa().privatePem]: 1 }),
    ],
    [
      'a private JWK in a string',
      () => JSON.stringify({ ...rsa().jwk, note: JSON.stringify(rsa().secret) }),
    ],
  ])('%s', (_, content) => {
    const { keys, findings } = read(content())
    expect(keys).toEqual([])
    expect(new Set(codes(findings))).toEqual(new Set(['private_member']))
  })

  test('a private member in an object that a later one of the same name hides', () => {
    const { keys, findings } = read(text(p256, `"x":{"d":${d()}},"x":1`))
    expect(keys).toEqual([])
    expect(findings).not.toEqual([])
  })

  test('each private key of a set is named by its kid', () => {
    const keys = [
      { ...p256().secret, kid: 'one' },
      { ...p384().secret, kid: 'two' },
    ]
    expect(read(JSON.stringify({ keys })).findings).toMatchObject([{ kid: 'one' }, { kid: 'two' }])
  })

  test('no finding repeats any of the material', () => {
    const { secret, privatePem } = rsa()
    const material = [...Object.values(secret).filter(each => each.length > 20), body(privatePem)]
    for (const content of [
      ...[JSON.stringify(secret), privatePem, der(privatePem), JSON.stringify([secret])],
      ...[`${JSON.stringify(secret)}}`, JSON.stringify({ ...secret, kty: 'none' })],
      ...[JSON.stringify(secret).slice(0, -1), armour('PUBLIC KEY', der(privatePem))],
      ...['kty', 'use', 'alg', 'kid'].map(name =>
        JSON.stringify({ ...secret, [name]: secret['d'] }),
      ),
    ]) {
      const { findings } = read(content)
      expect(findings).not.toEqual([])
      const shown = JSON.stringify(findings.map(each => [each.message, each.fix, each.file]))
      for (const each of material) expect(shown).not.toContain(each.slice(0, 24))
    }
  })
})

describe('is refused', () => {
  const offCurve = () => {
    const bytes = der(p256().pem)
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1)
    return bytes
  }
  /** A compressed point whose x has no y on the curve. */
  const noPoint = () => {
    for (;;) {
      const bytes = der(
        openssl(['ec', '-pubin', '-conv_form', 'compressed'], freshEc().pem).toString(),
      )
      bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1)
      if (codes(read(bytes).findings).length > 0) return bytes
    }
  }
  const deep = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`
  const jwk = (more: string) => `{${JSON.stringify(p256().jwk).slice(1, -1)},${more}}`

  test.each<[string, () => string | Buffer, Code]>([
    ['an empty file', () => '', 'form_unknown'],
    ['a text', () => 'hello', 'form_unknown'],
    ['a text that begins with 0', () => '0 keys', 'form_unknown'],
    ['JSON that is no object', () => '"kty"', 'form_unknown'],
    ['a public key of OpenSSH', () => sshKey().pub, 'form_unknown'],
    [
      'a certificate request',
      () => armour('CERTIFICATE REQUEST', Buffer.from('x')),
      'form_unknown',
    ],
    ['parameters alone', () => openssl(['ecparam', '-name', 'prime256v1']), 'form_unknown'],
    ['PEM in UTF-16 LE', () => Buffer.from(`\uFEFF${rsa().pem}`, 'utf16le'), 'text_encoding'],
    [
      'PEM in UTF-16 BE',
      () => Buffer.from(`\uFEFF${rsa().pem}`, 'utf16le').swap16(),
      'text_encoding',
    ],
    ['PEM in UTF-16 without a mark', () => Buffer.from(rsa().pem, 'utf16le'), 'text_encoding'],
    ['a JWK in UTF-16', () => Buffer.from(JSON.stringify(rsa().jwk), 'utf16le'), 'text_encoding'],
    ['PEM without its end', () => rsa().pem.replace(/-----END[\s\S]*/, ''), 'pem_truncated'],
    [
      'PEM with the end of another',
      () => rsa().pem.replace('END PUBLIC', 'END RSA PUBLIC'),
      'pem_truncated',
    ],
    [
      'PEM that is cut in the middle',
      () => armour('PUBLIC KEY', der(rsa().pem).subarray(0, 90)),
      'pem_unreadable',
    ],
    ['PEM of nothing', () => armour('PUBLIC KEY', Buffer.alloc(0)), 'pem_unreadable'],
    ['PEM of noise', () => armour('PUBLIC KEY', Buffer.from('noise')), 'pem_unreadable'],
    ['a certificate of noise', () => armour('CERTIFICATE', Buffer.from('noise')), 'pem_unreadable'],
    ['DER of noise', () => Buffer.from([0x30, 0x03, 0x02, 0x01, 0x00]), 'pem_unreadable'],
    ['DER that is cut off', () => spki('DER').subarray(0, 100), 'pem_unreadable'],
    ['two public keys', () => rsa().pem + p256().pem, 'several_keys_in_file'],
    ['one public key twice', () => rsa().pem + rsa().pem, 'several_keys_in_file'],
    ['a chain of certificates', () => certificate() + certificate(), 'several_keys_in_file'],
    ['a point off the curve in PEM', () => armour('PUBLIC KEY', offCurve()), 'point_off_curve'],
    ['a point off the curve in DER', offCurve, 'point_off_curve'],
    ['a compressed point off the curve', () => armour('PUBLIC KEY', noPoint()), 'point_off_curve'],
    ['RSA-PSS', () => generated('-algorithm', 'RSA-PSS'), 'kty_unsupported'],
    ['Ed25519', () => generated('-algorithm', 'ED25519'), 'kty_unsupported'],
    ['X25519', () => generated('-algorithm', 'X25519'), 'kty_unsupported'],
    ['P-521', () => ecCurve('secp521r1'), 'curve_unsupported'],
    ['secp256k1', () => ecCurve('secp256k1'), 'curve_unsupported'],
    ['brainpool', () => ecCurve('brainpoolP256r1'), 'curve_unsupported'],
    [
      '1024 bits',
      () => generated('-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'),
      'rsa_short',
    ],
    [
      'exponent 3',
      () => generated('-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_pubexp:3'),
      'rsa_exponent',
    ],
    ['JSON that is cut off', () => JSON.stringify(rsa().jwk).slice(0, -1), 'json_unreadable'],
    ['JSON with more behind it', () => `${JSON.stringify(rsa().jwk)}{}`, 'json_unreadable'],
    ['JSON with a comment', () => jwk('/* x */"a":1'), 'json_unreadable'],
    ['an object that is neither', () => '{"kid":"x"}', 'json_unreadable'],
    ['an empty object', () => '{}', 'json_unreadable'],
    [
      'a key only in __proto__',
      () => `{"__proto__":${JSON.stringify(rsa().jwk)}}`,
      'json_unreadable',
    ],
    ['a set only in __proto__', () => '{"__proto__":{"keys":[]}}', 'json_unreadable'],
    ['keys that is an object', () => '{"keys":{}}', 'json_unreadable'],
    ['keys that is null', () => '{"keys":null}', 'json_unreadable'],
    ['keys that is a string', () => '{"keys":"[]"}', 'json_unreadable'],
    ['an entry that is a string', () => '{"keys":["x"]}', 'key_malformed'],
    ['an entry that is null', () => '{"keys":[null]}', 'key_malformed'],
    ['an entry that is a list', () => '{"keys":[[]]}', 'key_malformed'],
    ['an entry that is a number', () => '{"keys":[1]}', 'key_malformed'],
    ['an entry without members', () => '{"keys":[{}]}', 'kty_unsupported'],
    ['33 levels', () => jwk(`"a":${deep(32)}`), 'json_unreadable'],
    ['400,000 levels', () => jwk(`"a":${deep(400_000)}`), 'json_unreadable'],
    [
      '400,000 levels of objects',
      () => jwk(`"a":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`),
      'json_unreadable',
    ],
    ['a member twice', () => jwk(`"kty":"EC"`), 'json_member_twice'],
    ['a member twice, once escaped', () => jwk(`"\\u006bty":"RSA"`), 'json_member_twice'],
    [
      'a member twice with space before its colon',
      () => jwk(`"kty"\n\t :"RSA"`),
      'json_member_twice',
    ],
    ['keys twice', () => '{"keys":[],"keys":[]}', 'json_member_twice'],
    ['a member twice in an unknown member', () => jwk(`"a":[{"b":1,"b":2}]`), 'json_member_twice'],
    ['__proto__ twice', () => jwk(`"__proto__":1,"__proto__":2`), 'json_member_twice'],
    ['the empty name twice', () => jwk(`"":1,"":2`), 'json_member_twice'],
  ])('%s', (_, content, code) => {
    const { keys, findings } = read(content())
    expect(keys).toEqual([])
    expect(codes(findings)).toEqual(expect.arrayContaining([code]))
    expect(findings.map(each => each.message).join()).not.toMatch(/[^\x20-\x7e]/)
  })
})

describe('is not refused', () => {
  const jwk = (more: string) => `{${JSON.stringify(p256().jwk).slice(1, -1)},${more}}`

  test.each([
    ['a name that is like another but for its case', '"KTY":1,"kTy":2'],
    ['a string that looks like a member', `"a":"\\"kty\\":1","b":"{\\"x\\":"`],
    ['a string that looks like nesting', `"a":"${'['.repeat(100)}"`],
    ['a string of backslashes', `"a":"\\\\","b":"\\\\\\""`],
    ['a string of 900,000 characters', `"a":"${'x'.repeat(900_000)}"`],
    ['31 levels', `"a":${'['.repeat(30)}${']'.repeat(30)}`],
    ['a member of the prototype', '"__proto__":{"kty":"RSA"},"constructor":1,"toString":"x"'],
    ['numbers, null and booleans', '"a":-1.5e-9,"b":null,"c":[true,false]'],
  ])('%s', (_, more) => {
    const { keys, findings } = read(jwk(more))
    expect(codes(findings)).toEqual([])
    expect(keys.map(key => key.thumbprint)).toEqual([p256Print()])
  })
})

test('a JWK and a set are told apart', () => {
  const formOf = (content: object) => openKeyFile('f', Buffer.from(JSON.stringify(content))).form
  expect([formOf(rsa().jwk), formOf({ keys: [rsa().jwk] }), formOf({ keys: [] })]).toEqual([
    ...['key', 'set', 'set'],
  ])
})
