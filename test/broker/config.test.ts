import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { ConfigError, readConfig, readConfigWith } from '../../broker/config.ts'
import { BLANK, firstConfig, SANDBOXES } from '../../broker/init.ts'
import { PROJECT } from '../support/processes.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lockstep-config-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const good = () => {
  const text = firstConfig(SANDBOXES.epic, 'ab'.repeat(32), '/keys').replace(
    'REPLACE-WITH-YOUR-CLIENT-ID',
    'client',
  )
  return parse(text)
}

const bomb = (): string =>
  [
    'a: &a0 [x]',
    ...Array.from({ length: 12 }, (_, at) => `b${at}: &a${at + 1} [${`*a${at},`.repeat(9)} x]`),
  ].join('\n')

const read = (content: string) => {
  const path = join(folder, 'broker.yaml')
  writeFileSync(path, content)
  return readConfig(path)
}

const places = (content: unknown): string[] => {
  try {
    read(typeof content === 'string' ? content : stringify(content))
  } catch (error) {
    return (error as ConfigError).complaints.map(each => each.at)
  }
  return []
}

// biome-ignore lint/suspicious/noExplicitAny: a config is made wrong in ways that its type forbids
const changed = (change: (config: any) => void): unknown => {
  const config = good()
  change(config)
  return config
}

test('what init writes is a config once the client ID is filled in', () => {
  for (const start of [BLANK, SANDBOXES.epic]) {
    const text = firstConfig(start, 'ab'.repeat(32), '/keys')
    expect(places(text)).toEqual([`/upstreams/${start.upstream}/clientId`])
    expect(places(text.replace('REPLACE-WITH-YOUR-CLIENT-ID', 'client'))).toEqual([])
  }
})

test('defaults are filled in, and paths are taken from the config’s folder', () => {
  const config = read(stringify(good()))
  expect(config.listen).toMatchObject({ host: '127.0.0.1', trustedProxies: [], tls: null })
  expect(config.audit).toEqual({ file: join(folder, 'audit.ndjson'), fsync: false })
  expect(config.upstreams.get('epic-sandbox')).toMatchObject({
    alg: 'RS384',
    assertionAudience: null,
    deadline: 15,
  })
})

test('the same file is the same generation, another one another', () => {
  const text = stringify(good())
  expect(read(text).generation).toBe(read(text).generation)
  expect(read(`${text}# a remark\n`).generation).not.toBe(read(text).generation)
})

describe('is refused, and the place is named', () => {
  test.each<[string, unknown, string[]]>([
    ['a file that is not YAML', 'a: [', ['/']],
    ['an empty file', '', ['/']],
    ['a list', '- a', ['/']],
    ['an alias that leads nowhere', 'a: *b', ['/']],
    ['a bomb of aliases', bomb(), ['/']],
    ['a tag', stringify(good()).replace('services:', 'services: !!set'), ['/']],
    ['a tag of somebody’s own', stringify(good()).replace('issuer: ', 'issuer: !x '), ['/']],
    [
      'an empty CA file',
      changed(c => (c.upstreams['epic-sandbox'].ca = '/dev/null')),
      ['/upstreams/epic-sandbox/ca'],
    ],
    [
      'an empty certificate',
      changed(c => (c.listen.tls = { cert: '/dev/null', key: '/dev/null' })),
      ['/listen/tls'],
    ],
    ['a name twice', `${stringify(good())}\nissuer: http://127.0.0.1:1\n`, ['/']],
    ['a setting that does not exist', changed(c => (c.lisen = {})), ['/lisen']],
    [
      'an upstream’s setting that does not exist',
      changed(c => (c.upstreams['epic-sandbox'].secret = 'x')),
      ['/upstreams/epic-sandbox/secret'],
    ],
    [
      'an upstream’s name with a space',
      changed(c => (c.upstreams['a b'] = c.upstreams['epic-sandbox'])),
      ['/upstreams/a b'],
    ],
    [
      'a profile that does not exist',
      changed(c => (c.upstreams['epic-sandbox'].profile = 'constructor')),
      ['/upstreams/epic-sandbox/profile'],
    ],
    [
      'an algorithm that EHRs do not take',
      changed(c => (c.upstreams['epic-sandbox'].alg = 'PS256')),
      ['/upstreams/epic-sandbox/alg'],
    ],
    [
      'a secret in clear',
      changed(c => (c.services['my-service'].secretSha256 = ['hunter2'])),
      ['/services/my-service/secretSha256/0'],
    ],
    ...['HS256', 'none', 'constructor'].map((alg): [string, unknown, string[]] => [
      `a caller’s algorithm ${alg}`,
      changed(
        c => (c.services['my-service'].keys = { jwksUri: 'https://x.example/', algs: [alg] }),
      ),
      ['/services/my-service/keys/algs/0'],
    ]),
    [
      'a certificate’s name with a wildcard',
      changed(c => (c.services['my-service'].certificate = { dns: '*.internal' })),
      ['/services/my-service/certificate/dns'],
    ],
    [
      'a certificate’s name that holds two',
      changed(
        c => (c.services['my-service'].certificate = { uri: 'spiffe://a/b, URI:spiffe://a/c' }),
      ),
      ['/services/my-service/certificate/uri'],
    ],
    [
      'an issuer that could be the id of a service',
      changed(
        c => (c.workloadIssuers = { a: { issuer: 'billing', jwksUri: 'https://x.example/' } }),
      ),
      ['/workloadIssuers/a/issuer'],
    ],
    [
      'a trust domain with a path',
      changed(
        c => (c.workloadIssuers = { a: { issuer: 'spiffe://a/', jwksUri: 'https://x.example/' } }),
      ),
      ['/workloadIssuers/a/issuer'],
    ],
    [
      'an authority for clients that is not there',
      changed(c => (c.listen.tls = { cert: '/dev/null', key: '/dev/null', clientCa: 'no' })),
      ['/listen/tls', '/listen/tls/clientCa'],
    ],
    [
      'a CA file that is not there',
      changed(c => (c.upstreams['epic-sandbox'].ca = 'nowhere.pem')),
      ['/upstreams/epic-sandbox/ca'],
    ],
    [
      'a TLS file that is not there',
      changed(c => (c.listen.tls = { cert: 'no', key: 'no' })),
      ['/listen/tls/cert', '/listen/tls/key'],
    ],
  ])('%s', (_, content, at) => {
    expect(places(content)).toEqual(at)
  })
})

test('the manual’s example of every way in is good, but for files that are not there', () => {
  const [, example = ''] =
    /^## How services prove[\s\S]*?^```yaml\n([\s\S]*?)^```/m.exec(
      readFileSync(join(PROJECT, 'broker', 'README.md'), 'utf8'),
    ) ?? []
  const config = { ...good(), ...parse(example) }
  try {
    read(stringify(config))
    expect.unreachable()
  } catch (error) {
    const { complaints } = error as ConfigError
    expect(complaints.filter(each => !each.message.includes('cannot be read'))).toEqual([])
    expect(complaints.map(each => each.at)).toContain('/workloadIssuers/cluster/ca')
  }
})

test('complaints of every kind come at once', async () => {
  const content = changed(c => {
    c.issuer = 'ftp://x'
    c.upstreams['epic-sandbox'].ca = 'nowhere.pem'
  })
  const path = join(folder, 'broker.yaml')
  writeFileSync(path, stringify(content))
  const others = async () => [{ at: '/keys/nonprod/folder', message: 'x' }]
  try {
    await readConfigWith(path, others)
    expect.unreachable()
  } catch (error) {
    const at = (error as ConfigError).complaints.map(each => each.at)
    expect(at).toEqual(['/issuer', '/upstreams/epic-sandbox/ca', '/keys/nonprod/folder'])
  }
})

test('every complaint comes at once, with its line', () => {
  const text = stringify(
    changed(c => Object.assign(c, { issuer: 'ftp://x', listen: { port: 1, host: '0.0.0.0' } })),
  )
  try {
    read(text)
    expect.unreachable()
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    const { complaints } = error as ConfigError
    expect(complaints.map(each => each.at)).toEqual(['/issuer', '/listen/host'])
    const linesOf = (pattern: RegExp) => text.split('\n').findIndex(line => pattern.test(line)) + 1
    expect(complaints.map(each => each.line)).toEqual([linesOf(/^issuer/), linesOf(/host: 0/)])
  }
})

test('a config that cannot be read is a complaint', () => {
  expect(() => readConfig(join(folder, 'nowhere.yaml'))).toThrowError(ConfigError)
})

describe('the shared cache', () => {
  const file = (name: string, content: string, mode = 0o600): string => {
    writeFileSync(join(folder, name), content)
    chmodSync(join(folder, name), mode)
    return name
  }
  const cache = (sharedCache: object) => changed(c => (c.sharedCache = sharedCache))
  const secret = (): string => file('secret', 's'.repeat(32))

  test('is none where it is left out', () => {
    expect(read(stringify(good())).sharedCache).toBeNull()
  })

  test('has its URL from the config or from a file, and its secrets as bytes', () => {
    const urlFile = file('url', 'redis://:password@127.0.0.1:6379\n')
    const other = file('other', 'o'.repeat(40))
    expect(
      read(stringify(cache({ urlFile, secrets: [secret(), other], prefix: 'x:' }))).sharedCache,
    ).toEqual({
      ...{ url: 'redis://:password@127.0.0.1:6379', ca: null, prefix: 'x:' },
      secrets: [Buffer.from('s'.repeat(32)), Buffer.from('o'.repeat(40))],
    })
    const url = 'rediss://cache.example.com'
    expect(read(stringify(cache({ url, secrets: [secret()] }))).sharedCache).toMatchObject({
      ...{ url, prefix: 'lockstep:' },
    })
  })

  test.each<[string, () => object, string[]]>([
    ['no secrets', () => ({ secrets: [] }), ['/sharedCache/secrets']],
    ['a secret that is not there', () => ({ secrets: ['no'] }), ['/sharedCache/secrets/0']],
    [
      'a secret that is short, or that others may read',
      () => ({ secrets: [file('short', 's'.repeat(31)), file('open', 's'.repeat(32), 0o644)] }),
      ['/sharedCache/secrets/0', '/sharedCache/secrets/1'],
    ],
    [
      'a URL’s file that others may read',
      () => ({ urlFile: file('open-url', 'rediss://a', 0o604), secrets: [secret()] }),
      ['/sharedCache/urlFile'],
    ],
    [
      'a file with no such URL, a CA that is none and a secret that is empty, at once',
      () => ({ urlFile: file('bad', 'http://a'), ca: '/dev/null', secrets: [file('none', '')] }),
      ['/sharedCache/urlFile', '/sharedCache/ca', '/sharedCache/ca', '/sharedCache/secrets/0'],
    ],
    [
      'a prefix with a space',
      () => ({ secrets: [secret()], prefix: 'a b' }),
      ['/sharedCache/prefix'],
    ],
  ])('with %s is refused', (_, parts, at) => {
    const given = parts()
    const whole = 'urlFile' in given ? given : { url: 'redis://127.0.0.1', ...given }
    expect(places(cache(whole))).toEqual(at)
  })
})
