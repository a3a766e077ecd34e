import { sign } from 'node:crypto'
import fc from 'fast-check'
import { ecPair } from './keys.ts'
import type { Hurled } from './raw-http.ts'
import { ecSigner, rsaSigner } from './tokens.ts'
import { basic, PATIENT, SECRET } from './world.ts'

/** The subject of the service `pod`. */
export const POD = 'system:serviceaccount:prod:pod'
export const CLUSTER = 'https://cluster'
const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

const of = <T>(...values: T[]): fc.Arbitrary<T> => fc.constantFrom(...values)
/** Letters. Of more, the broker refuses to read the rest, hangs up, and the reply may be lost on the way. */
const MOST_BODY = 30_000

const any = (...values: unknown[]): fc.Arbitrary<unknown> => fc.constantFrom(...values)
/** Texts whose letters are bytes. */
const bytes = (maxLength: number): fc.Arbitrary<string> =>
  fc.uint8Array({ maxLength }).map(all => Buffer.from(all).toString('latin1'))
const nested = (open: string, close: string, depth: number): string =>
  open.repeat(depth) + close.repeat(depth)

const encode = (part: unknown): string =>
  Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')

const oddJson = of(
  ...['', 'null', '[]', '"x"', '1e999', '{', '{"alg":"none"}', '{"alg":"RS256","alg":"none"}'],
  ...['{"__proto__":{"alg":"ES256"}}', '{"constructor":1}', '\uFEFF{}', '{"sub":"\\ud800"}'],
  nested('[', ']', 5000),
  nested('{"a":', '}', 3000).replace('}', '1}'),
  `{"sub":"${'x'.repeat(20_000)}"}`,
  `{"aud":[${'"a",'.repeat(4000)}"a"]}`,
)

/** Mostly what is meant, so that what comes after it is reached. */
const mostly = (meant: fc.Arbitrary<unknown>, odd: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 3, arbitrary: meant }, { weight: 1, arbitrary: odd })

const headerOf = mostly(
  fc.record(
    {
      alg: mostly(any('RS256', 'ES256'), any('none', 'nOnE', 'HS256', 'ES512', ['ES256'], null, 5)),
      kid: mostly(
        any('mine', 'cluster'),
        fc.oneof(any('../../etc/passwd', '__proto__', 'x'), fc.jsonValue()),
      ),
      typ: mostly(fc.constant('JWT'), any('at+jwt', 'dpop+jwt', 7, {})),
      jwk: any(ecSigner('strange', 1).jwk, rsaSigner('strange', 1).jwk, {}, 'x'),
      jku: fc.constant('http://127.0.0.1:1/jwks'),
      x5c: fc.constant([['AAAA']]),
    },
    { requiredKeys: ['alg', 'kid', 'typ'] },
  ),
  fc.oneof(
    oddJson,
    fc.record({
      alg: fc.constant('ES256'),
      crit: any([], ['exp'], 'exp', [{}]),
      b64: fc.boolean(),
      zip: fc.constant('DEF'),
    }),
  ),
)

/** Seconds since the epoch, from years before to years after. */
const now = Math.floor(Date.now() / 1000)
const timeFrom = (from: number, to: number) =>
  mostly(
    fc.integer({ min: now + from, max: now + to }),
    fc.oneof(any(0, -1, 1e308, '4102444800', null, [], 4_102_444_800), fc.double()),
  )

const claimsOf = (issuer: string) =>
  mostly(
    fc
      .tuple(
        of({ iss: 'signer', sub: 'signer' }, { iss: CLUSTER, sub: POD }),
        fc.record({
          aud: mostly(
            any(issuer),
            any([issuer], [issuer, 'x'], `${issuer}/oauth2/token`, {}, null),
          ),
          exp: timeFrom(120, 600),
        }),
        mostly(
          fc.constant({}),
          fc.record({
            iss: any('signer', CLUSTER, '', [], {}, 'nobody'),
            sub: any('signer', POD, 'pod', '\0', [], 1, 's'.repeat(600)),
          }),
        ),
        fc.record({
          nbf: timeFrom(-600, -60),
          iat: timeFrom(-600, -60),
          jti: mostly(fc.uuid(), fc.oneof(any('', [], null, 'j'.repeat(300)), fc.string())),
        }),
      )
      .map(([who, meant, odd, more]) => ({ ...who, ...meant, ...more, ...Object(odd) })),
    oddJson,
  )

/** By `signer`, by somebody whose key is nobody's, or by no key at all. */
const signatureOf = fc.oneof(
  of(0, 1).map(which => (text: string) => {
    const key = ecPair('P-256', which).privateKey
    return sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' })
  }),
  fc.uint8Array({ maxLength: 300 }).map(given => () => Buffer.from(given)),
)

const assertionOf = (issuer: string): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 1, arbitrary: bytes(60) },
    {
      weight: 1,
      arbitrary: of('', '.', '..', '...', 'a.b', 'a.b.c.d.e', 'a'.repeat(9000), '.'.repeat(9000)),
    },
    {
      weight: 6,
      arbitrary: fc
        .tuple(headerOf, claimsOf(issuer), signatureOf)
        .map(([header, claims, signs]) => {
          const text = `${encode(header)}.${encode(claims)}`
          return `${text}.${signs(text).toString('base64url')}`
        }),
    },
  )

/** Percent signs as they should be, and as they should not. */
const garbage = fc
  .array(
    fc.oneof(of('%', '%0', '%zz', '%00', '%c3%28', '%ff', '%u0041', '+', '&', '='), bytes(4)),
    {
      maxLength: 40,
    },
  )
  .map(all => all.join(''))

const param = (issuer: string): fc.Arbitrary<string> => {
  const value = fc.oneof(
    garbage,
    bytes(40),
    fc
      .string({ unit: 'binary', maxLength: 40 })
      .map(text => encodeURIComponent(text.toWellFormed())),
  )
  return fc.oneof(
    {
      weight: 3,
      arbitrary: assertionOf(issuer).map(each => `client_assertion=${encodeURIComponent(each)}`),
    },
    {
      weight: 2,
      arbitrary: fc.constant(`client_assertion_type=${encodeURIComponent(JWT_BEARER)}`),
    },
    {
      weight: 3,
      arbitrary: of(
        ...['grant_type=client_credentials', 'grant_type=password', 'grant_type=', 'grant_type'],
        ...['audience=epic', 'audience=nowhere', 'resource=https%3A%2F%2Fx', 'resource=%20'],
        ...[`scope=${encodeURIComponent(PATIENT)}`, 'scope=++', `scope=${'a+'.repeat(600)}b`],
        ...['minimum_ttl=-1', 'minimum_ttl=1e9', 'minimum_ttl=100', 'minimum_ttl=999999999999'],
        ...['client_id=signer', 'client_id=nobody', 'client_id=%00', 'client_secret=x'],
        ...['token=x', 'token=%00', 'token=a&token=b', 'a[b][c][d]=1', 'constructor=1'],
        ...[nested('a[', ']', 2000), '__proto__=1&__proto__[x]=2', '&&&&', '====', ';;'],
      ),
    },
    {
      weight: 3,
      arbitrary: fc
        .tuple(of('client_id', 'client_secret', 'scope', 'audience', 'token', 'x'), value)
        .map(pair => pair.join('=')),
    },
    { weight: 1, arbitrary: garbage },
  )
}

const asserting = (assertion: string): string =>
  new URLSearchParams({
    grant_type: 'client_credentials',
    client_assertion_type: JWT_BEARER,
    client_assertion: assertion,
  }).toString()

/** Of somebody whose secret is right. */
const asks = fc
  .dictionary(
    of('audience', 'resource', 'scope', 'minimum_ttl', 'client_id', 'token'),
    fc.oneof(garbage, fc.string({ unit: 'binary', maxLength: 60 }), of('epic', '100', PATIENT)),
    { maxKeys: 3 },
  )
  .map(form => new URLSearchParams({ grant_type: 'client_credentials', ...form }).toString())

const bodyOf = (issuer: string): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 8, arbitrary: fc.array(param(issuer), { maxLength: 6 }).map(all => all.join('&')) },
    {
      weight: 4,
      arbitrary: fc
        .array(param(issuer), { maxLength: 3 })
        .map(all => ['grant_type=client_credentials', ...all].join('&')),
    },
    {
      weight: 4,
      arbitrary: assertionOf(issuer).map(asserting),
    },
    { weight: 2, arbitrary: bytes(200) },
    { weight: 1, arbitrary: of('a=b&'.repeat(5000), '&'.repeat(30_000), '%'.repeat(30_000)) },
    {
      weight: 1,
      arbitrary: fc.jsonValue().map(each => Buffer.from(JSON.stringify(each)).toString('latin1')),
    },
  )

/** What a header may hold as HTTP has it: anything but the controls. */
const headerText = fc
  .uint8Array({ maxLength: 60 })
  .map(all => Buffer.from(all.filter(each => each >= 0x20 && each !== 0x7f)).toString('latin1'))

const authorization: fc.Arbitrary<readonly string[]> = fc.oneof(
  { weight: 3, arbitrary: fc.constant([] as string[]) },
  { weight: 3, arbitrary: fc.constant([basic('scheduling', SECRET)]) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(of('Basic ', 'basic  ', 'Bearer ', 'Negotiate ', 'Basic', ''), headerText)
      .map(pair => [pair.join('')]),
  },
  {
    weight: 3,
    arbitrary: fc
      .oneof(bytes(60), garbage, of('scheduling:wrong', ':', 'nobody:', '%zz:%', '\0:\0', 'a:b:c'))
      .map(each => [`Basic ${Buffer.from(each, 'latin1').toString('base64')}`]),
  },
  {
    weight: 1,
    arbitrary: of([`Basic ${'A'.repeat(8000)}`], [basic('scheduling', SECRET), 'Basic x']),
  },
)

const contentType: fc.Arbitrary<readonly string[]> = fc.oneof(
  { weight: 6, arbitrary: fc.constant(['application/x-www-form-urlencoded']) },
  {
    weight: 2,
    arbitrary: of(
      ...[
        [],
        [''],
        ['application/json'],
        ['multipart/form-data'],
        ['application/x-www-form-urlencoded; charset=utf-16'],
      ],
      ...[
        ['text/plain', 'application/x-www-form-urlencoded'],
        [';'],
        ['*/*'],
        ['a/b; '.repeat(500)],
      ],
    ),
  },
  { weight: 1, arbitrary: headerText.map(each => [each]) },
)

const extra = fc.oneof(
  of(
    ...[
      'Expect: 100-continue',
      'Expect: the-moon',
      'Upgrade: h2c',
      'TE: trailers',
      'Content-Encoding: gzip',
    ],
    ...[
      'Range: bytes=0-',
      'If-None-Match: *',
      'X-HTTP-Method-Override: GET',
      'Forwarded: for="_x"',
    ],
    ...[
      'X-Forwarded-For: \x80, ,,',
      'Cookie: =;=;',
      'Host: other',
      '__proto__: x',
      'constructor: x',
    ],
    ...[
      'traceparent: 00-zz',
      'traceparent: 00-00000000000000000000000000000000-0000000000000000-ff',
    ],
    Array.from({ length: 300 }, (_, at) => `X-${at}: y`).join('\r\n'),
  ),
  headerText.map(each => `X-Odd: ${each}`),
  headerText.map(each => `traceparent: ${each}`),
)

interface Message {
  method: string
  path: string
  headers: string[]
  body: string
  /** Lengths of chunks; null for a Content-Length. */
  chunks: number[] | null
}

const messageOf = (issuer: string): fc.Arbitrary<Message> =>
  fc
    .record({
      method: fc.oneof(
        { weight: 9, arbitrary: fc.constant('POST') },
        {
          weight: 2,
          arbitrary: of('GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD', 'TRACE', 'PROPFIND'),
        },
      ),
      path: fc.oneof(
        { weight: 9, arbitrary: of('/oauth2/token', '/oauth2/token', '/oauth2/report') },
        {
          weight: 2,
          arbitrary: of(
            ...[
              '/oauth2/token?',
              '/oauth2/token?grant_type=client_credentials',
              '/oauth2/token?%zz',
            ],
            ...[
              '/oauth2/%74oken',
              '/oauth2/token%',
              '/oauth2/token%00',
              '/oauth2/%ff',
              '//oauth2/token',
            ],
            ...['/oauth2/report?token=x', '/oauth2/report;x', '/oauth2/../oauth2/token', '*'],
            ...[
              'http://other/oauth2/token',
              `/oauth2/token?${'a'.repeat(9000)}`,
              `/${'%2f'.repeat(900)}`,
            ],
          ),
        },
      ),
      authorization,
      contentType,
      extras: fc.oneof(
        { weight: 3, arbitrary: fc.constant([] as string[]) },
        { weight: 1, arbitrary: fc.array(extra, { maxLength: 3 }) },
      ),
      body: bodyOf(issuer).filter(each => each.length <= MOST_BODY),
      chunks: fc.option(
        fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 5 }),
        {
          freq: 4,
        },
      ),
    })
    .map(({ authorization: shown, contentType: types, extras, ...rest }) => ({
      ...rest,
      headers: [
        ...shown.map(each => `Authorization: ${each}`),
        ...types.map(each => `Content-Type: ${each}`),
        ...extras,
      ],
    }))

function chunked(body: string, lengths: readonly number[]): string {
  let [text, rest] = ['', body]
  for (let at = 0; rest !== ''; at++) {
    const piece = rest.slice(0, lengths[at] ?? rest.length)
    text += `${piece.length.toString(16)}${at % 2 ? ';x=y' : ''}\r\n${piece}\r\n`
    rest = rest.slice(piece.length)
  }
  return `${text}0\r\n\r\n`
}

/** As HTTP has it, whatever is in it. */
function framed({ method, path, headers, body, chunks }: Message, connection: string): string {
  const length = chunks ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`
  const head = [
    `${method} ${path} HTTP/1.1`,
    'Host: x',
    `Connection: ${connection}`,
    length,
    ...headers,
  ]
  return `${head.join('\r\n')}\r\n\r\n${chunks ? chunked(body, chunks) : body}`
}

/** Ways to break the frame of a message that is whole. */
const BREAKS: ((text: string) => string)[] = [
  ...[
    '-1',
    '1e3',
    '0x10',
    '+5',
    '5, 5',
    '',
    ' ',
    '99999999999999999999',
    'abc',
    '5\r\nContent-Length: 6',
  ].map(
    length => (text: string) => text.replace(/Content-Length: \d+/, `Content-Length: ${length}`),
  ),
  text => text.replace('Host: x', 'Transfer-Encoding: chunked\r\nContent-Length: 4'),
  text => text.replace('Host: x', 'Transfer-Encoding: gzip, chunked, x'),
  text => text.replace('Host: x\r\n', ''),
  text => text.replace('Host: x', 'Host: x\nNo-CR: y'),
  text => text.replace('Host: x', 'Host: x\r\n folded'),
  text => text.replace('Host: x', 'Host: x\r\nA : b'),
  text => text.replace('Host: x', 'Host: x\r\nA: \0'),
  text => text.replace('Host: x', 'Host: x\r\n: nameless'),
  text => text.replace('Host: x', `Host: x\r\nHuge: ${'h'.repeat(20_000)}`),
  text => text.replace('Host: x', `Host: x${'\r\nA: b'.repeat(3000)}`),
  text => text.replace('HTTP/1.1', 'HTTP/2.0'),
  text => text.replace('HTTP/1.1', 'HTTP/1.0'),
  text => text.replace(' HTTP/1.1', ''),
  text => text.replace(/^\w+/, 'CONNECT'),
  text => text.replace(/^\w+/, 'post'),
  text => text.replace(/^\w+/, 'P\0ST'),
  text => text.replace(/^(\w+) \S+/, `$1 /${'a'.repeat(17_000)}`),
  text => text.replace('\r\n\r\n', '\r\n\r\n\r\n\r\n'),
  text => text.replaceAll('\r\n', '\n'),
  text => text.replace(/\r\n[0-9a-f]+(;x=y)?\r\n/, '\r\nzz\r\n'),
  text => text.replace(/\r\n[0-9a-f]+(;x=y)?\r\n/, '\r\nffffffffffffffffff\r\n'),
  text => text.replace(/\r\n[0-9a-f]+(;x=y)?\r\n/, `\r\n1;${'x'.repeat(20_000)}\r\n`),
  text => text.replace(/0\r\n\r\n$/, '0\r\nContent-Length: 5\r\nauthorization: x\r\n\r\n'),
  text => `${text}${'a=b&'.repeat(10_000)}`,
  () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
]

const large: fc.Arbitrary<string> = of(
  ...['%'.repeat(40_000), 'a=b&'.repeat(20_000), `client_assertion=${'A'.repeat(33_000)}`],
)

const hurled = (text: string, parts: Partial<Hurled>): Hurled => ({
  ...{ bytes: Buffer.from(text, 'latin1'), due: 0, most: 3, isHead: false, until: 'hush' },
  ...parts,
})

/** What no client library would send, or none that is meant well. `issuer` is the broker's. */
export function malformed(issuer: string): fc.Arbitrary<Hurled> {
  const message = messageOf(issuer)
  const plain = message.filter(
    ({ method, headers }) =>
      method !== 'HEAD' && !headers.some(each => /^(Expect|Upgrade)/.test(each)),
  )
  /** What gets past HTTP and the form, to those who look at tokens and at what is asked. */
  const deep = fc
    .tuple(
      of('/oauth2/token', '/oauth2/report'),
      fc.oneof(
        fc.tuple(fc.constant([]), assertionOf(issuer).map(asserting)),
        fc.tuple(fc.constant([`Authorization: ${basic('scheduling', SECRET)}`]), asks),
      ),
    )
    .map(([path, [headers, body]]) => ({
      ...{ method: 'POST', path, body, chunks: null },
      headers: [...headers, 'Content-Type: application/x-www-form-urlencoded'],
    }))
    .filter(({ body }) => body.length <= MOST_BODY)
  const whole = fc.oneof(message, deep).map(each =>
    hurled(framed(each, 'close'), {
      ...{ due: 1, most: 1, until: 'reply' as const, isHead: each.method === 'HEAD' },
    }),
  )
  // A parser that refuses the second ends the connection before the first is answered.
  const small = plain.filter(({ path, headers }) => path.length + headers.join().length < 8000)
  const pipelined = fc.array(small, { minLength: 2, maxLength: 3 }).map(all =>
    hurled(all.map(each => framed(each, 'keep-alive')).join(''), {
      ...{ due: all.length, most: all.length, until: 'reply' as const },
    }),
  )
  const broken = fc
    .tuple(plain, of(...BREAKS))
    .map(([each, breaks]) => hurled(breaks(framed(each, 'close')), {}))
  const flipped = fc
    .tuple(
      plain,
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
        minLength: 1,
        maxLength: 4,
      }),
    )
    .map(([each, flips]) => {
      const made = hurled(framed(each, 'close'), {})
      for (const [at, to] of flips) made.bytes[at % made.bytes.length] = to
      return made
    })
  const cut = fc
    .tuple(plain, fc.double({ min: 0, max: 1, noNaN: true }), of('end' as const, 'reset' as const))
    .map(([each, share, until]) => {
      const made = hurled(framed(each, 'close'), { most: 1, until })
      return { ...made, bytes: made.bytes.subarray(0, Math.floor(share * made.bytes.length)) }
    })
  const tooLarge = fc
    .tuple(message, large)
    .map(([each, body]) => hurled(framed({ ...each, body, method: 'POST' }, 'close'), { most: 1 }))
  const noise = bytes(400).map(each => hurled(each, {}))
  return fc.oneof(
    { weight: 12, arbitrary: whole },
    { weight: 3, arbitrary: pipelined },
    { weight: 4, arbitrary: broken },
    { weight: 2, arbitrary: flipped },
    { weight: 2, arbitrary: cut },
    { weight: 1, arbitrary: tooLarge },
    { weight: 1, arbitrary: noise },
  )
}
