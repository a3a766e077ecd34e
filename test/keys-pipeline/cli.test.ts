import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import process from 'node:process'
import { createLocalJWKSet, importJWK, jwtVerify, SignJWT } from 'jose'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Finding } from '../../keys-pipeline/errors.ts'
import { makeAuthority } from '../support/certificates.ts'
import {
  codes,
  ecJwk,
  fill,
  folderWith,
  p256,
  p384,
  privateJwk,
  proofBy,
  rsa,
  rsaJwk,
  rsaPair,
} from '../support/keys.ts'
import { openssl } from '../support/openssl.ts'
import { Pages, pack } from '../support/pages.ts'
import {
  type Finished,
  freePort,
  KEYS_CLI,
  PROJECT,
  run,
  runUnheard,
  start,
} from '../support/processes.ts'

const keys = (cwd: string, ...args: string[]) =>
  run(KEYS_CLI, args, { cwd, env: { HOME: join(cwd, 'home') } })
const generate = ['generate', '--keys', 'keys', '--alg', 'ES384']

/** Every file below a folder, as text. */
const everything = (folder: string): string =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('\n')

describe('exit status', () => {
  test.each<[string, string[], number]>([
    ['0 for help', ['--help'], 0],
    ...['generate', 'add', 'list', 'check', 'build', 'serve'].map(
      (name): [string, string[], number] => [`0 for help of ${name}`, [name, '--help'], 0],
    ),
    ['2 without a command', [], 2],
    ['2 for an unknown command', ['publish'], 2],
    ['2 for an unknown option', ['check', '--fast'], 2],
    ['2 for an environment that does not exist', ['generate', '--environment', 'staging'], 2],
    ['2 for an algorithm that does not exist', ['generate', '--alg', 'PS256'], 2],
    ['2 for add without an environment', ['add', 'x.pem'], 2],
    ['2 for retire without a reason', ['retire', 'k', '--environment', 'nonprod'], 2],
    [
      '2 for a time that is none',
      ['retire', 'k', '--environment', 'nonprod', '--reason', 'x', '--live-since', 'now'],
      2,
    ],
    ['2 for prove without a key', ['prove', '--environment', 'nonprod'], 2],
    ['2 for a certificate without its key', ['serve', '--cert', 'x'], 2],
    ['2 for a list of paths that is not there', ['check', '--files-from', 'nowhere'], 2],
    ['1 for a build of nothing', ['build', '--keys', 'keys'], 1],
    ['1 for a check of what is not there', ['check', 'nowhere.pem'], 1],
    ['0 for a list of nothing', ['list', '--keys', 'keys'], 0],
  ])('%s', async (_, args, code) => {
    const ended = await keys(folderWith(), ...args)
    expect([ended.code, hasStack(ended)]).toEqual([code, false])
  })
})

describe('check', () => {
  test('prints one document in the form of the design', async () => {
    const folder = folderWith({
      'a/good.json': rsaJwk(),
      'a/bad.json': { ...ecJwk(), d: 'AAAA', kid: 'k' },
      'set.json': { keys: [ecJwk()] },
    })
    const { code, stdout } = await keys(folder, 'check', '--json', 'a', 'set.json')
    const document = JSON.parse(stdout)
    expect(code).toBe(1)
    expect(stdout.trimEnd().split('\n')).toHaveLength(1)
    expect(Object.keys(document)).toEqual(['findings', 'files', 'keys'])
    expect([document.files, document.keys]).toEqual([3, 2])
    expect(document.findings).toEqual([
      {
        code: 'private_member',
        file: 'a/bad.json',
        kid: 'k',
        message: expect.any(String),
        fix: expect.any(String),
      },
    ])
  })

  test('takes two thousand files in one go', async () => {
    const folder = folderWith()
    const names: string[] = []
    const set = JSON.stringify({ keys: [ecJwk()] })
    for (let at = 0; at < 2000; at++) {
      names.push(`f${at % 40}/${at}.json`)
      if (at < 40) mkdirSync(join(folder, `f${at}`))
      writeFileSync(join(folder, names.at(-1) ?? ''), set)
    }
    const { code, stdout } = await run(KEYS_CLI, ['check', '--json', '--files-from', '-'], {
      cwd: folder,
      input: names.join('\n'),
    })
    expect(JSON.parse(stdout)).toEqual({ findings: [], files: 2000, keys: 2000 })
    expect(code).toBe(0)
    expect((await keys(folder, 'check', ...names)).code).toBe(0)
  })

  test('of no paths from a list is not a check of the keys folder', async () => {
    const { stdout } = await run(KEYS_CLI, ['check', '--json', '--files-from', '-'], { input: '' })
    expect(JSON.parse(stdout)).toEqual({ findings: [], files: 0, keys: 0 })
  })

  test('shows a hostile name harmlessly', async () => {
    const folder = folderWith({ 'a\u001b[31m.pem': 'x' })
    const ended = await keys(folder, 'check', '.')
    expect([ended.code, hasStack(ended)]).toEqual([1, false])
    expect(ended.stdout).not.toContain('\u001b')
  })
})

describe('a new key', () => {
  test('is good from the first moment: check, list and build agree', async () => {
    const folder = folderWith()
    const made = JSON.parse((await keys(folder, ...generate, '--json')).stdout)
    expect((await keys(folder, 'check', '--keys', 'keys')).code).toBe(0)
    const { keys: listed, findings } = JSON.parse(
      (await keys(folder, 'list', '--keys', 'keys', '--json')).stdout,
    )
    expect(findings).toEqual([])
    expect(listed).toMatchObject([
      { environment: 'nonprod', kid: made.kid, alg: 'ES384', role: 'signer' },
    ])
    expect((await keys(folder, 'build', '--keys', 'keys', '--out', 'out')).code).toBe(0)
    expect(
      JSON.parse(readFileSync(join(folder, 'out/nonprod/.well-known/jwks.json'), 'utf8')).keys,
    ).toMatchObject([{ kid: made.kid }])
  })

  test('has its private half at home, 0600 in 0700, and nowhere else', async () => {
    const folder = folderWith()
    const { privateFile } = JSON.parse((await keys(folder, ...generate, '--json')).stdout)
    expect(privateFile.startsWith(join(folder, 'home', '.lockstep', 'nonprod'))).toBe(true)
    expect(statSync(privateFile).mode & 0o777).toBe(0o600)
    expect(statSync(join(privateFile, '..')).mode & 0o777).toBe(0o700)
    expect(everything(join(folder, 'keys'))).not.toContain(
      JSON.parse(readFileSync(privateFile, 'utf8')).d,
    )
  })

  test('never shows its private half, whatever is asked', async () => {
    const folder = folderWith()
    const first = await keys(folder, ...generate)
    const [file = ''] = readdirSync(join(folder, 'home/.lockstep/nonprod'))
    const path = join(folder, 'home/.lockstep/nonprod', file)
    const { d } = JSON.parse(readFileSync(path, 'utf8'))
    const seen = [first]
    for (const args of [
      ['check', path],
      ['check', '--json', path],
      ['add', path, '--environment', 'production', '--keys', 'keys'],
      ['list', '--keys', 'keys'],
    ]) {
      seen.push(await keys(folder, ...args))
    }
    expect(seen.map(each => each.stdout + each.stderr).join('')).not.toContain(d)
  })

  test('made inside a checkout on purpose is ignored by git', async () => {
    const folder = folderWith()
    execFileSync('git', ['init', '-q', folder])
    await keys(folder, ...generate, '--private-folder', 'secret')
    execFileSync('git', ['-C', folder, 'add', '-A'])
    const tracked = execFileSync('git', ['-C', folder, 'ls-files']).toString()
    expect(tracked).toContain('lifecycle.json')
    expect(tracked).not.toContain('.private.')
  })
})

test('add keeps what is registered', async () => {
  const folder = folderWith({ 'old.json': rsaJwk() })
  const { code, stdout } = await keys(
    folder,
    'add',
    'old.json',
    '--environment',
    'production',
    '--keys',
    'keys',
    '--kid',
    'epic-2019',
    '--alg',
    'RS256',
    '--proof',
    proofBy(rsaPair(), { url: 'https://keys.example.com/.well-known/jwks.json', alg: 'RS256' }),
    '--json',
  )
  expect(code).toBe(0)
  expect(JSON.parse(stdout).added).toMatchObject([{ kid: 'epic-2019', alg: 'RS256' }])
})

test('prove, add, retire: a key comes with a proof and goes with a reason', async () => {
  const folder = folderWith({ 'private.json': privateJwk(), 'public.json': rsaJwk() })
  const at = ['--environment', 'nonprod']
  const proof = await keys(folder, 'prove', '--private-key', 'private.json', ...at)
  expect(proof.stdout).not.toContain(privateJwk()['d'])
  const add = ['add', 'public.json', ...at, '--keys', 'keys']
  expect(await keys(folder, ...add)).toMatchObject({ code: 1, stdout: '' })
  expect((await keys(folder, ...add, '--proof', proof.stdout.trim())).code).toBe(0)
  await keys(folder, ...generate)
  const [{ kid } = { kid: '' }] = JSON.parse(
    (await keys(folder, 'list', '--keys', 'keys', '--json')).stdout,
  ).keys.filter((each: { alg: string }) => each.alg === 'RS384')
  const retire = ['retire', kid, ...at, '--keys', 'keys', '--reason', 'rotation', '--json']
  expect(JSON.parse((await keys(folder, ...retire)).stdout).findings).toMatchObject([
    { code: 'still_signing' },
  ])
  const retired = JSON.parse((await keys(folder, ...retire, '--unreleased')).stdout)
  expect(retired).toMatchObject({ kid, retired: { reason: 'rotation', unreleased: true } })
  expect((await keys(folder, 'check', '--keys', 'keys')).code).toBe(0)
})

test('in GitHub Actions each finding is shown beside its file', async () => {
  const folder = folderWith({ 'a,b:%.pem': 'x' })
  const { stderr } = await run(KEYS_CLI, ['check', '.'], {
    cwd: folder,
    env: { GITHUB_ACTIONS: 'true' },
  })
  expect(stderr).toMatch(/^::error file=a%2Cb%3A%25\.pem,title=form_unknown::/)
})

test('add of a private key is refused with 1, as JSON if asked', async () => {
  const folder = folderWith({ 'private.json': privateJwk() })
  const { code, stdout } = await keys(
    folder,
    'add',
    'private.json',
    '--environment',
    'nonprod',
    '--keys',
    'keys',
    '--json',
  )
  expect(code).toBe(1)
  expect(JSON.parse(stdout).findings).toMatchObject([{ code: 'private_member' }])
})

test('build twice gives the same bytes', async () => {
  const folder = folderWith({ 'keys/nonprod/a.json': rsaJwk(), 'keys/production/b.json': ecJwk() })
  for (const out of ['one', 'two'])
    await keys(folder, 'build', '--keys', 'keys', '--out', out, '--commit', 'abc')
  expect(everything(join(folder, 'one'))).toBe(everything(join(folder, 'two')))
  expect(everything(join(folder, 'one'))).toContain('"commit": "abc"')
})

test('build on the empty folders of a new checkout names generate', async () => {
  const { code, stderr } = await keys(folderWith(), 'build', '--keys', 'keys')
  expect(code).toBe(1)
  expect(stderr).toContain('set_empty')
  expect(stderr).toContain('keys -- generate')
})

describe('serve', () => {
  const serve = async (cwd: string, ...args: string[]) => {
    const running = await start(KEYS_CLI, ['serve', '--port', '0', ...args], /serving http/, {
      cwd,
    })
    onTestFinished(async () => void (await running.stop()))
    const origin = /serving (http:\/\/[^/]+)/.exec(running.output())?.[1] ?? ''
    return { origin, running }
  }

  test('serves the built site, logs who fetched, and ends with 0 when asked to stop', async () => {
    const folder = folderWith({ 'keys/nonprod/a.json': rsaJwk() })
    await keys(folder, 'build', '--keys', 'keys', '--out', 'out')
    const { origin, running } = await serve(folder, '--out', 'out')
    const reply = await fetch(`${origin}/nonprod/.well-known/jwks.json`)
    expect(reply.headers.get('cache-control')).toBe('public, max-age=86400, s-maxage=600')
    expect(await reply.text()).toBe(
      readFileSync(join(folder, 'out/nonprod/.well-known/jwks.json'), 'utf8'),
    )
    await expect.poll(running.output).toContain('"path":"/nonprod/.well-known/jwks.json"')
    expect((await running.stop()).code).toBe(0)
  })

  test('--dev with no key serves a throw-away one that no cache keeps and check refuses', async () => {
    const folder = folderWith()
    const { origin } = await serve(folder, '--dev', '--keys', 'keys')
    const reply = await fetch(`${origin}/nonprod/.well-known/jwks.json`)
    const set = (await reply.json()) as { keys: { kid: string }[] }
    expect(reply.headers.get('cache-control')).toBe('no-store')
    expect(set.keys.map(key => key.kid.slice(0, 4))).toEqual(['dev-'])
    writeFileSync(join(folder, 'set.json'), JSON.stringify(set))
    expect(
      JSON.parse((await keys(folder, 'check', '--json', 'set.json')).stdout).findings,
    ).toMatchObject([{ code: 'kid_dev' }])
    expect((await fetch(`${origin}/.well-known/jwks.json`)).status).toBe(404)
  })

  test('--dev with keys serves those', async () => {
    const { origin } = await serve(
      folderWith({ 'keys/nonprod/a.json': { ...rsaJwk(), kid: 'mine' } }),
      '--dev',
      '--keys',
      'keys',
    )
    expect(await (await fetch(`${origin}/nonprod/.well-known/jwks.json`)).json()).toMatchObject({
      keys: [{ kid: 'mine' }],
    })
  })

  test('of a folder that no build wrote is refused', async () => {
    const ended = await keys(folderWith({ 'out/index.html': 'x' }), 'serve', '--out', 'out')
    expect([ended.code, hasStack(ended)]).toEqual([1, false])
  })
})

const documentOf = ({ stdout }: Finished): { findings: Finding[]; files: number; keys: number } =>
  JSON.parse(stdout)
const codesOf = (ended: Finished) => codes(documentOf(ended).findings)
const hasStack = ({ stderr }: Finished): boolean => /^ +at .*:\d+:\d+\)?$/m.test(stderr)

describe('a mistake in usage is exit 2 and does nothing', () => {
  test.each([
    ['an option without its value', ['check', '--keys']],
    ['add without a file', ['add', '--environment', 'nonprod']],
    ['an environment of the prototype', ['generate', '--environment', 'constructor']],
    ['an unknown role', ['generate', '--role', 'boss']],
    ['a small RSA key', ['generate', '--bits', '1024']],
    ['more arguments than there are', ['build', 'x']],
    ['a port that is no number', ['serve', '--port', 'http']],
    ['a port beyond 65535', ['serve', '--dev', '--port', '65536']],
    ['a key without its certificate', ['serve', '--dev', '--tls-key', 'a.pem']],
  ])('%s', async (_, args) => {
    const folder = folderWith({ 'a.pem': rsa().pem })
    const ended = await keys(folder, ...args)
    expect([ended.code, ended.stdout, hasStack(ended)]).toEqual([2, '', false])
    expect(readdirSync(folder)).toEqual(['a.pem'])
  })
})

describe('the document of check keeps its form', () => {
  test.each<[string, (folder: string) => void, string[], string]>([
    ['a path that is not there', () => {}, ['nowhere.pem'], 'file_unreadable'],
    [
      'a link that goes round',
      folder => symlinkSync('loop', join(folder, 'loop')),
      ['loop'],
      'file_unreadable',
    ],
    ['a path that is far too long', () => {}, ['x'.repeat(5000)], 'file_unreadable'],
    ['an empty keys folder', () => {}, ['--keys', 'nowhere'], 'set_empty'],
    [
      'a lifecycle file that is damaged',
      folder => fill(folder, { 'k/nonprod/lifecycle.json': '{', 'k/nonprod/a.pem': rsa().pem }),
      ['--keys', 'k'],
      'lifecycle_unreadable',
    ],
  ])('with %s', async (_, make, args, code) => {
    const folder = folderWith()
    make(folder)
    const ended = await keys(folder, 'check', '--json', ...args)
    expect([ended.code, hasStack(ended)]).toEqual([1, false])
    expect(Object.keys(documentOf(ended)).sort()).toEqual(['files', 'findings', 'keys'])
    expect(codesOf(ended)).toContain(code)
  })

  test('and a list may be a file, have lines of any system, and add to the paths that are named', async () => {
    const folder = folderWith({
      'a.pem': rsa().pem,
      'in/b.pem': p256().pem,
      'in/c\n.pem': p384().pem,
      lines: 'in/b.pem\r\n',
      nul: 'in/b.pem\0in/c\n.pem\0',
    })
    const [lines, nul] = await Promise.all(
      ['lines', 'nul'].map(list => keys(folder, 'check', 'a.pem', '--files-from', list, '--json')),
    )
    expect(lines && documentOf(lines)).toEqual({ findings: [], files: 2, keys: 2 })
    expect(nul && documentOf(nul)).toEqual({ findings: [], files: 3, keys: 3 })
  })

  test('and relative paths are those of whoever called npm, not of the project', async () => {
    const folder = folderWith({ 'here/a.pem': 'x' })
    const ended = await run(KEYS_CLI, ['check', 'a.pem', '--json'], {
      cwd: '/',
      env: { INIT_CWD: join(folder, 'here') },
    })
    expect(documentOf(ended).findings).toMatchObject([{ code: 'form_unknown', file: 'a.pem' }])
  })

  test('and a lifecycle file that never ends does not hold it up', async () => {
    const folder = folderWith({ 'keys/nonprod/a.pem': rsa().pem })
    execFileSync('mkfifo', [join(folder, 'keys/nonprod/lifecycle.json')])
    const code = await new Promise(resolve => {
      const child = execFile(
        process.execPath,
        [KEYS_CLI, 'check', '--keys', join(folder, 'keys')],
        { timeout: 5000, killSignal: 'SIGKILL' },
        () => resolve(child.exitCode),
      )
    })
    expect(code).toBe(1)
  })
})

describe('what a file says or is called cannot play with a terminal or a log', () => {
  const hostile = '\x1b[2J\x9b31m\u202e\n::error::x'
  const files = {
    'kid/a.json': { ...p256().jwk, kid: hostile },
    'secret/a.json': { ...p256().secret, kid: hostile },
    'others/a.json': { ...p256().jwk, alg: hostile, use: hostile },
    'kty/a.json': { ...p256().jwk, kty: hostile },
    'label/a.pem': `-----BEGIN ${hostile}-----\n`,
    [`name/${hostile}.pem`]: 'x',
    [`twin/a${hostile}.pem`]: rsa().pem,
    'twin/b.pem': rsa().pem,
    [`namesake/a${hostile}.json`]: { ...p256().jwk, kid: 'k' },
    'namesake/b.json': { ...p384().jwk, kid: 'k' },
    [`production/a${hostile}.pem`]: rsa().pem,
    'nonprod/b.pem': rsa().pem,
    'lifecycle/nonprod/lifecycle.json': { keys: { [hostile]: {} } },
    'settings.yaml': `"${hostile.replace('\n', '')}": 1\n`,
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
  const BAD = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]|^::/

  test.each([
    [['check', '.']],
    [['check', '.', '--json']],
    [['check', '--keys', '.']],
    [['check', '--keys', 'lifecycle']],
    [['list', '--keys', '.']],
    [['build', '--keys', 'keys', '--out', 'out', '--settings', 'settings.yaml']],
  ])('%j', async args => {
    const ended = await keys(folderWith(files), ...args)
    expect(ended.code).toBe(1)
    const lines = `${ended.stdout}${ended.stderr}`.split('\n')
    expect(lines.filter(line => BAD.test(line)).map(encodeURI)).toEqual([])
  })
})

describe('private keys', () => {
  /** Which parts of the RSA key, and of more, are in what was written; cut short, so that a failure leaks none. */
  const leaked = (all: Finished[], ...more: string[]): string[] => {
    const output = all.map(each => each.stdout + each.stderr).join('\n')
    const members = ['d', 'p', 'q', 'dp', 'dq', 'qi'].map(name => rsa().secret[name] ?? '')
    const material = [...more, ...members, ...rsa().privatePem.split('\n').slice(1, -2)]
    return material.filter(each => output.includes(each.slice(0, 24))).map(each => each.slice(0, 4))
  }

  test('never reach the output of any command, however they lie about', async () => {
    const folder = folderWith({ 'rsa.pem': rsa().privatePem, 'rsa.json': rsa().secret })
    const made = JSON.parse(
      (await keys(folder, ...generate, '--private-folder', 'secrets', '--json')).stdout,
    )
    const secret: string = made.privateFile
    const text = readFileSync(secret, 'utf8')
    fill(folder, {
      'site/nonprod/leak.private.jwk.json': text,
      'site/nonprod/rsa.pem': rsa().privatePem,
      'damaged.json': text.replace('}', ''),
      'lifecycle/nonprod/lifecycle.json': text,
    })
    const named = [secret, 'rsa.pem', 'rsa.json', 'damaged.json']
    const commands = [
      ['check', ...named, '--json'],
      ['check', '--keys', 'site'],
      ['check', '--keys', 'lifecycle'],
      ...named.map(each => ['add', each, '--environment', 'nonprod', '--keys', 'elsewhere']),
      ['list', '--keys', 'site', '--json'],
      ['build', '--keys', 'site', '--out', 'out'],
      ['build', '--keys', 'keys', '--out', 'out', '--settings', secret],
      ['build', '--keys', 'keys', '--out', 'out', '--settings', 'rsa.pem'],
      ['serve', '--dev', '--keys', 'site', '--port', '0'],
      ['serve', '--out', secret, '--port', '0'],
    ]
    const all: Finished[] = []
    for (let at = 0; at < commands.length; at += 3)
      all.push(
        ...(await Promise.all(commands.slice(at, at + 3).map(each => keys(folder, ...each)))),
      )
    expect(all.map(each => each.code)).toEqual(commands.map(() => 1))
    expect(leaked(all, JSON.parse(text).d)).toEqual([])
    expect(readdirSync(folder)).not.toContain('elsewhere')
  })

  test('never reach it when one is taken for a list of files, or stands where a kid should', async () => {
    const folder = folderWith({
      'rsa.pem': rsa().privatePem,
      'rsa.json': JSON.stringify(rsa().secret, null, 2),
      'as-kid.json': { ...p256().jwk, kid: rsa().privatePem },
    })
    const commands = [
      ['check', '--files-from', 'rsa.pem'],
      ['check', '--files-from', 'rsa.json', '--json'],
      ['check', 'as-kid.json'],
    ]
    const all = await Promise.all(commands.map(args => keys(folder, ...args)))
    expect(all.map(each => each.code)).not.toContain(0)
    expect(all.some(hasStack)).toBe(false)
    expect(leaked(all)).toEqual([])
  })
})

describe('build', () => {
  test('takes the commit from GitHub when nobody names it', async () => {
    const folder = folderWith({ 'keys/nonprod/a.pem': rsa().pem })
    await run(KEYS_CLI, ['build', '--keys', 'keys', '--out', 'out'], {
      cwd: folder,
      env: { GITHUB_SHA: 'f00' },
    })
    expect(JSON.parse(readFileSync(join(folder, 'out/publication.json'), 'utf8')).commit).toBe(
      'f00',
    )
  })

  test('that is refused leaves the last one as it was', async () => {
    const folder = folderWith({ 'keys/nonprod/a.pem': rsa().pem })
    const again = () => keys(folder, 'build', '--keys', 'keys', '--out', 'out')
    await again()
    const before = everything(join(folder, 'out'))
    fill(folder, { 'keys/nonprod/b.pem': p256().privatePem })
    expect((await again()).code).toBe(1)
    expect(everything(join(folder, 'out'))).toBe(before)
  })

  test('makes what OpenSSL, jose and jwcrypto read as the key that was generated', async () => {
    const folder = folderWith()
    const args = ['--keys', 'keys', '--alg', 'RS256', '--bits', '2048', '--json']
    const made = JSON.parse((await keys(folder, 'generate', ...args)).stdout)
    await keys(folder, 'build', '--keys', 'keys', '--out', 'out')
    const set = readFileSync(join(folder, 'out/nonprod/.well-known/jwks.json'), 'utf8')
    const secret = JSON.parse(readFileSync(made.privateFile, 'utf8'))

    const jwt = await new SignJWT({ sub: 'us' })
      .setProtectedHeader({ alg: 'RS256', kid: made.kid })
      .sign(await importJWK(secret))
    const { payload } = await jwtVerify(jwt, createLocalJWKSet(JSON.parse(set)))
    expect(payload).toEqual({ sub: 'us' })

    const pem = join(folder, 'out/keys', `${made.thumbprint}.pem`)
    const modulus = openssl(['rsa', '-pubin', '-noout', '-modulus', '-in', pem]).toString().trim()
    const n = Buffer.from(secret.n, 'base64url').toString('hex').toUpperCase()
    expect(modulus).toBe(`Modulus=${n}`)

    const program =
      'import sys; from jwcrypto.jwk import JWKSet\nfor k in JWKSet.from_json(sys.stdin.read())["keys"]: print(k.thumbprint())'
    const prints = execFileSync('/usr/bin/python3', ['-c', program], { input: set })
    expect(prints.toString().trim()).toBe(made.thumbprint)
  })
})

describe('what keeps serve from serving is said without a stack', () => {
  test.each<[string, string[]]>([
    ['a site that was never built', ['--out', 'nowhere']],
    ['a certificate that is not there', ['--dev', '--cert', 'no.pem', '--tls-key', 'no.pem']],
    ['a certificate that is none', ['--dev', '--cert', 'bad.pem', '--tls-key', 'bad.pem']],
    ['a keys folder with a finding', ['--dev', '--keys', 'bad']],
    ['settings that are not there', ['--dev', '--settings', 'no.yaml']],
    ['an address that is not ours', ['--dev', '--host', '192.0.2.1']],
  ])('%s', async (_, args) => {
    const folder = folderWith({ 'bad.pem': 'x', 'bad/nonprod/a.pem': 'x' })
    const ended = await keys(folder, 'serve', '--port', '0', '--keys', 'keys', ...args)
    expect([1, 2]).toContain(ended.code)
    expect(hasStack(ended)).toBe(false)
  })

  test('a port that is taken', async () => {
    const port = await freePort()
    const holder = createServer().listen(port, '127.0.0.1')
    onTestFinished(() => void holder.close())
    const ended = await keys(folderWith(), 'serve', '--dev', '--keys', 'k', '--port', `${port}`)
    expect([1, 2]).toContain(ended.code)
    expect(hasStack(ended)).toBe(false)
  })
})

describe('verify', () => {
  test('is good when the live URLs have what was built, and says what differs when they have not', async () => {
    const authority = await makeAuthority()
    const pages = await new Pages(await authority.issue(), Date.now).start()
    onTestFinished(() => pages.stop())
    const folder = folderWith({
      'keys/nonprod/a.json': { ...rsaJwk(), kid: 'mine' },
      'ca.pem': authority.ca,
    })
    const settings = readFileSync(join(PROJECT, 'keys-pipeline', 'publisher.yaml'), 'utf8')
    writeFileSync(
      join(folder, 'publisher.yaml'),
      settings.replace('https://keys.example.com', pages.url),
    )
    await keys(folder, 'build', '--keys', 'keys', '--out', 'out')
    const ask = () =>
      keys(
        folder,
        'verify',
        '--out',
        'out',
        '--settings',
        'publisher.yaml',
        '--ca',
        'ca.pem',
        '--deadline',
        '0',
        '--json',
      )
    pages.deploy(pack(join(folder, 'out'), { includeHiddenFiles: false }))
    const lost = await ask()
    expect([lost.code, codesOf(lost)]).toEqual([1, ['live_not_found']])
    pages.deploy(pack(join(folder, 'out'), { includeHiddenFiles: true }))
    const found = await ask()
    expect([found.code, codesOf(found)]).toEqual([0, []])
    expect(JSON.parse(found.stdout).verified).toEqual([
      `${pages.url}/nonprod/.well-known/jwks.json`,
    ])
  })

  test('of a folder that no build wrote is refused', async () => {
    const ended = await keys(folderWith(), 'verify', '--out', 'out')
    expect([ended.code, hasStack(ended)]).toEqual([1, false])
  })
})

test('a reader that has had enough ends nothing, and is told of no stack', async () => {
  expect(await runUnheard(KEYS_CLI, ['--help'])).toMatchObject({ code: 0, stderr: '' })
})
