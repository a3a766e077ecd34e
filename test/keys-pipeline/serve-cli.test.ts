import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { describe, expect, onTestFinished, test } from 'vitest'
import { makeAuthority } from '../support/certificates.ts'
import { ecJwk, fill, folderWith } from '../support/keys.ts'
import { type Finished, KEYS_CLI, run, start } from '../support/processes.ts'

const JWKS = '/nonprod/.well-known/jwks.json'
const keys = (cwd: string, ...args: string[]): Promise<Finished> => run(KEYS_CLI, args, { cwd })

async function serving(folder: string, ...args: string[]) {
  const running = await start(
    KEYS_CLI,
    ['serve', '--port', '0', '--out', 'out', '--poll', '1', ...args],
    /serving http/,
    { cwd: folder },
  )
  onTestFinished(async () => void (await running.stop()))
  const port = /:(\d+)\/ \(Ctrl-C/.exec(running.output())?.[1]
  return { running, port }
}

const build = (folder: string) => keys(folder, 'build', '--keys', 'keys', '--out', 'out')

test('a new build is served by itself; a broken one is not, and that is said', async () => {
  const folder = folderWith({ 'keys/nonprod/a.json': { ...ecJwk(), kid: 'one' } })
  await build(folder)
  const { running, port } = await serving(folder, '--log', 'access.ndjson')
  const kids = async (): Promise<string[]> => {
    const { body } = await request(`http://127.0.0.1:${port}${JWKS}`)
    return ((await body.json()) as { keys: { kid: string }[] }).keys.map(each => each.kid)
  }
  expect(await kids()).toEqual(['one'])
  fill(folder, { 'keys/nonprod/b.json': { ...ecJwk('P-384'), kid: 'two' } })
  await build(folder)
  await expect.poll(kids, { timeout: 10_000 }).toEqual(['one', 'two'])
  writeFileSync(join(folder, 'out', 'publication.json'), '{"files":{"index.html":"x"}}')
  await expect.poll(running.output, { timeout: 10_000 }).toContain('the one before is served')
  expect(await kids()).toEqual(['one', 'two'])
  const logged = readFileSync(join(folder, 'access.ndjson'), 'utf8')
  expect(logged).toContain('"event":"site_replaced"')
  expect(logged).toContain('"event":"site_kept"')
  expect(statSync(join(folder, 'access.ndjson')).mode & 0o777).toBe(0o600)
})

test('--dev takes keys that come and go, by itself', async () => {
  const folder = folderWith()
  const { running, port } = await serving(folder, '--dev', '--keys', 'keys')
  const kids = async (): Promise<string[]> => {
    const { body } = await request(`http://127.0.0.1:${port}${JWKS}`)
    return ((await body.json()) as { keys: { kid: string }[] }).keys.map(each => each.kid)
  }
  const [thrownAway] = await kids()
  expect(thrownAway).toMatch(/^dev-/)
  fill(folder, { 'keys/nonprod/a.json': { ...ecJwk(), kid: 'mine' } })
  await expect.poll(kids, { timeout: 10_000 }).toEqual(['mine'])
  fill(folder, { 'keys/nonprod/b.pem': 'no key' })
  await expect.poll(running.output, { timeout: 10_000 }).toContain('the one before is served')
  expect(await kids()).toEqual(['mine'])
  rmSync(join(folder, 'keys'), { recursive: true })
  await expect.poll(kids, { timeout: 10_000 }).toEqual([thrownAway])
})

test('a certificate that was renewed is shown by itself', async () => {
  const authority = await makeAuthority()
  const renew = async (name: string) => {
    const { cert, key } = await authority.issue({ names: ['localhost', name] })
    fill(folder, { 'cert.pem': cert, 'key.pem': key })
  }
  const folder = folderWith({ 'keys/nonprod/a.json': ecJwk() })
  await renew('one.example')
  await build(folder)
  const { running, port } = await serving(folder, '--cert', 'cert.pem', '--tls-key', 'key.pem')
  await renew('two.example')
  await expect.poll(running.output, { timeout: 10_000 }).toContain('new certificate')
  const dispatcher = new Agent({ connect: { ca: authority.ca } })
  const status = async (): Promise<number> => {
    const { statusCode, body } = await request(`https://localhost:${port}${JWKS}`, { dispatcher })
    await body.dump()
    return statusCode
  }
  expect(await status()).toBe(200)
  fill(folder, { 'key.pem': 'no key' })
  await expect.poll(running.output, { timeout: 10_000 }).toContain('the one before is shown')
  expect(await status()).toBe(200)
  await dispatcher.close()
})

test('SIGHUP begins the log anew, after it was moved away', async () => {
  const folder = folderWith({ 'keys/nonprod/a.json': ecJwk() })
  await build(folder)
  const { running, port } = await serving(folder, '--log', 'access.ndjson')
  const log = join(folder, 'access.ndjson')
  await request(`http://127.0.0.1:${port}${JWKS}`)
  await expect.poll(() => readFileSync(log, 'utf8')).toContain(JWKS)
  renameSync(log, `${log}.1`)
  running.signal('SIGHUP')
  await expect
    .poll(async () => {
      await request(`http://127.0.0.1:${port}/index.html`)
      return lines(log)
    })
    .toContain('/index.html')
})

const lines = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

test.each([
  ['--trust-proxy', '0.0.0.0/0'],
  ['--trust-proxy', 'everybody'],
  ['--poll', '0'],
])('serve %s %s is a fault of usage', async (...args) => {
  const ended = await keys(folderWith(), 'serve', ...args)
  expect([ended.code, ended.stdout]).toEqual([2, ''])
})

test('a log that cannot be written is refused before anything is served', async () => {
  const folder = folderWith({ 'keys/nonprod/a.json': ecJwk() })
  await build(folder)
  const ended = await keys(
    folder,
    'serve',
    '--out',
    'out',
    '--port',
    '0',
    '--log',
    'no/such/folder',
  )
  expect([ended.code, ended.stderr.includes('write_failed')]).toEqual([1, true])
})

describe('log', () => {
  const line = (address: string, status = 200): string =>
    `${JSON.stringify({
      ...{ time: '2026-11-25T10:00:00.000Z', address, forwarded: null, userAgent: 'Interconnect' },
      ...{ method: 'GET', path: JWKS, status, bytes: 700 },
    })}\n`

  test('shows who fetched, by network, and what was not had, within 100 columns', async () => {
    const failed = Array.from({ length: 6 }, (_, at) => ({
      ...{ time: '2026-11-25T10:00:00.000Z', event: 'connection_failed' },
      ...{ address: '2001:db8:aaaa::1', reason: `ERR_SSL_TLSV1_ALERT_UNKNOWN_CA_${at}` },
    }))
    const folder = folderWith({
      'a.ndjson':
        line('192.0.2.1').repeat(10_000) +
        line('2001:db8:aaaa::1', 404) +
        failed.map(each => `${JSON.stringify(each)}\n`).join(''),
    })
    const { code, stdout } = await keys(folder, 'log', 'a.ndjson')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^192\.0\.2\.0\/24 +0 +10000 +10000 /m)
    expect(stdout).toMatch(/^2001:db8:aaaa::\/48 .*\n {2}not had: 404 ×1, ERR_SSL_.* ×1/m)
    expect(stdout.split('\n').filter(each => [...each].length > 100)).toEqual([])
  })

  test.each([
    ['192.0.2.0/24', 0, 'was had'],
    ['198.51.100.0/24', 1, 'nobody came from there since 2026-11-25'],
    ['203.0.113.0/24', 1, 'somebody came from there, but had no key set since 2026-11-25'],
  ])('--from %s, which had a set or not, ends with %d', async (network, code, said) => {
    const folder = folderWith({ 'a.ndjson': line('192.0.2.1') + line('203.0.113.1', 503) })
    const ended = await keys(folder, 'log', 'a.ndjson', '--from', network)
    expect([ended.code, ended.stdout.includes(said)]).toEqual([code, true])
  })

  test('--from, asked of a log that is empty, says so', async () => {
    const ended = await keys(folderWith({ 'a.ndjson': '' }), 'log', 'a.ndjson', '--from', '::1')
    expect([ended.code, ended.stdout.includes('is empty')]).toEqual([1, true])
  })

  test('reads standard input, counts what it cannot read, and gives one document', async () => {
    const input = `${line('192.0.2.1')}broken\n`
    const ended = await run(KEYS_CLI, ['log', '--json'], { cwd: folderWith(), input })
    expect(JSON.parse(ended.stdout)).toMatchObject({
      lines: 2,
      unread: 1,
      networks: [{ requests: 1 }],
    })
  })

  test('what a client sent cannot play with the terminal', async () => {
    const nasty = line('192.0.2.1').replace('Interconnect', '\\u001b[2J\\u202e')
    const { stdout } = await keys(folderWith({ 'a.ndjson': nasty }), 'log', 'a.ndjson')
    for (const char of ['\u001b', '\u202e']) expect(stdout).not.toContain(char)
  })

  test.each([
    ['a file that is not there', ['nothing.ndjson'], 1],
    ['a network that is none', ['--from', 'x'], 2],
    ['a time that is none', ['--since', 'yesterday'], 2],
  ])('%s', async (_, args, code) => {
    expect((await keys(folderWith(), 'log', ...args)).code).toBe(code)
  })
})
