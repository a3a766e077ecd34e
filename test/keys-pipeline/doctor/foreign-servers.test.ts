import { brotliCompressSync } from 'node:zlib'
import { beforeAll, expect, test } from 'vitest'
import { type Authority, makeAuthority } from '../../support/certificates.ts'
import { seen } from '../../support/doctor.ts'
import { rsaJwk, type Tree } from '../../support/keys.ts'
import { freePort } from '../../support/processes.ts'
import { type Foreign, haproxy, nginx, sServer } from '../../support/servers.ts'

let authority: Authority

beforeAll(async () => {
  authority = await makeAuthority()
})

const set = (kid = 'a'): string =>
  JSON.stringify({ keys: [{ ...rsaJwk(kid === 'a' ? 0 : 1), kid, alg: 'RS384', use: 'sig' }] })
const SITE = { 'site/jwks.json': set(), 'site/index.html': '<!doctype html><title>App</title>' }
const HEAD = 'HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n'
const RAW = { 'jwks.json': `${HEAD}\r\n${set()}` }

type Issued = Parameters<Authority['issue']>[0]

async function identity(options?: Issued): Promise<Tree> {
  const { cert, key } = await authority.issue(options)
  return { 'cert.pem': cert, 'key.pem': key, 'both.pem': `${cert}\n${key}`, 'ca.pem': authority.ca }
}

const withNginx = (server: string, above?: string) => async (): Promise<Foreign> =>
  nginx(server, { ...SITE, ...(await identity()) }, above)
const withHaproxy =
  (frontend: string, backends = '', bind?: string) =>
  async (): Promise<Foreign> =>
    haproxy(frontend, backends, await identity(), bind)
const withOpenssl =
  (args: string[], options?: Issued, files: Tree = RAW) =>
  async (): Promise<Foreign> =>
    sServer(args, { ...files, ...(await identity(options)) })

/** Sick servers that somebody else wrote, each with the one thing that is bad about it. */
const FAULTS: readonly [string, string, () => Promise<Foreign>][] = [
  ['nginx: a redirect', 'redirected', withNginx('return 301 https://localhost/elsewhere.json;')],
  [
    'nginx: a password',
    'sign_in_asked',
    withNginx('auth_basic "keys"; auth_basic_user_file /dev/null;'),
  ],
  ['nginx: an allow-list', 'forbidden', withNginx('deny all;')],
  ['nginx: no such file', 'not_found', withNginx('location = /jwks.json { root /nowhere; }')],
  [
    'nginx: a gateway without a backend',
    'server_error',
    withNginx('location / { proxy_pass http://127.0.0.1:1; }'),
  ],
  [
    'nginx: a limit of requests',
    'sometimes_fails',
    withNginx(
      'limit_req zone=one burst=2 nodelay; limit_req_status 429;',
      'limit_req_zone $binary_remote_addr zone=one:1m rate=1r/m;',
    ),
  ],
  ['nginx: no type for .json', 'type_other', withNginx('types { }')],
  [
    'nginx: an app that answers everything',
    'html',
    withNginx('location / { try_files /index.html =404; }'),
  ],
  [
    'nginx: a client certificate',
    'client_certificate_asked',
    async () =>
      nginx('ssl_verify_client on; ssl_client_certificate ca.pem;', {
        ...SITE,
        ...(await identity()),
      }),
  ],
  [
    'nginx: compressed beforehand',
    'encoding_unasked',
    async () =>
      nginx('add_header Content-Encoding br;', {
        ...{ ...SITE, ...(await identity()) },
        'site/jwks.json': brotliCompressSync(set()),
      }),
  ],
  [
    'nginx: a rule against clients without a name',
    'some_clients_refused',
    withNginx('if ($http_user_agent = "") { return 403; }'),
  ],
  [
    'nginx: an expired certificate',
    'certificate_expired',
    async () => nginx('', { ...SITE, ...(await identity({ notAfter: new Date('2025-06-01') })) }),
  ],
  [
    'haproxy: no server left',
    'server_error',
    withHaproxy('  default_backend none', 'backend none'),
  ],
  [
    'haproxy: plain HTTP on the port',
    'tls_none',
    withHaproxy('  http-request return status 200', '', ''),
  ],
  [
    'haproxy: two servers with two sets',
    'sets_differ',
    async () => {
      const [one, two] = [await freePort(), await freePort()]
      const site = (port: number, kid: string): string =>
        [
          `frontend site${port}`,
          `  bind 127.0.0.1:${port}`,
          `  http-request return status 200 content-type application/json file ${kid}.json`,
        ].join('\n')
      const backends = [
        'backend both',
        '  balance roundrobin',
        `  server one 127.0.0.1:${one}`,
        `  server two 127.0.0.1:${two}`,
        site(one, 'a'),
        site(two, 'b'),
      ].join('\n')
      const files = { ...(await identity()), 'a.json': set('a'), 'b.json': set('b') }
      return haproxy('  default_backend both', backends, files)
    },
  ],
  [
    'OpenSSL: a certificate for another name',
    'certificate_other_name',
    withOpenssl([], { names: ['other.example'] }),
  ],
  ['OpenSSL: the chain is cut', 'chain_incomplete', withOpenssl([], { isBelowAnother: true })],
  [
    'OpenSSL: TLS 1.1 at most',
    'tls_too_old',
    withOpenssl(['-no_tls1_3', '-no_tls1_2', '-cipher', 'DEFAULT@SECLEVEL=0']),
  ],
  [
    'OpenSSL: a client certificate',
    'client_certificate_asked',
    withOpenssl(['-Verify', '1', '-verify_return_error']),
  ],
  [
    'OpenSSL: 1024 bits',
    'certificate_weak',
    withOpenssl(['-cipher', 'DEFAULT@SECLEVEL=0'], { bits: 1024 }),
  ],
  [
    'OpenSSL: less than was promised',
    'answer_broken',
    withOpenssl([], {}, { 'jwks.json': `${HEAD}Content-Length: 9999\r\n\r\n${set()}` }),
  ],
  ['OpenSSL: no HTTP', 'answer_broken', withOpenssl([], {}, { 'jwks.json': set() })],
]

test.each(FAULTS)('%s: %s', async (_, code, start) => {
  const { port } = await start()
  expect((await seen(`https://localhost:${port}/jwks.json`, { ca: authority.ca })).bad).toEqual([
    code,
  ])
})

test('nginx with the headers that we advise has nothing bad, and nothing to think about', async () => {
  const { port } = await withNginx(
    'add_header Cache-Control "public, max-age=86400, s-maxage=600"; add_header Access-Control-Allow-Origin *;',
  )()
  const found = await seen(`https://localhost:${port}/jwks.json`, { ca: authority.ca })
  expect([found.bad, found.warnings]).toEqual([[], ['url_port']])
})

test('http:// of nginx that leads to the URL is good; one that serves, or leads elsewhere, is not', async () => {
  const plain = async (rule: string) => {
    const plainPort = await freePort()
    const { port } = await withNginx('', `server { listen 127.0.0.1:${plainPort}; ${rule} }`)()
    const url = `https://localhost:${port}/jwks.json`
    const found = await seen(url, { ca: authority.ca, plainPort })
    return found.remarks.find(each => each.check === 'plain')?.code
  }
  expect(await plain('return 200;')).toBe('http_served')
  expect(await plain('return 301 https://localhost/;')).toBe('http_elsewhere')
  expect(await plain('return 404;')).toBeNull()
})
