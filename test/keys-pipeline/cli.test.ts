import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ecJwk, folderWith, privateJwk, rsaJwk } from '../support/key-files.ts'
import { KEYS_CLI, run, start } from '../support/processes.ts'

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
    ['2 for a certificate without its key', ['serve', '--cert', 'x'], 2],
    ['2 for a list of paths that is not there', ['check', '--files-from', 'nowhere'], 2],
    ['1 for a build of nothing', ['build', '--keys', 'keys'], 1],
    ['1 for a check of what is not there', ['check', 'nowhere.pem'], 1],
    ['0 for a list of nothing', ['list', '--keys', 'keys'], 0],
  ])('%s', async (_, args, code) => {
    expect((await keys(folderWith(), ...args)).code).toBe(code)
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
    expect((await keys(folder, 'check', '.')).stdout).not.toContain('\u001b')
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
    '--json',
  )
  expect(code).toBe(0)
  expect(JSON.parse(stdout).added).toMatchObject([{ kid: 'epic-2019', alg: 'RS256' }])
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
    expect((await keys(folderWith({ 'out/index.html': 'x' }), 'serve', '--out', 'out')).code).toBe(
      1,
    )
  })
})
