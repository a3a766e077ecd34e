import { spawnSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { join } from 'node:path'
import { createLocalJWKSet, jwtVerify, SignJWT } from 'jose'
import { expect, test } from 'vitest'
import { type PublicKey, toPublicKey } from '../../keys-pipeline/jwk.ts'
import { readTemplates } from '../../keys-pipeline/read.ts'
import { render } from '../../keys-pipeline/render.ts'
import { readSettings } from '../../keys-pipeline/settings.ts'
import { asIs, ecJwk, ecPair, type Jwk, rsaJwk, rsaPair } from '../support/keys.ts'
import { PROJECT } from '../support/processes.ts'

const settings = readSettings(join(PROJECT, 'keys-pipeline', 'publisher.yaml'), asIs)
const templates = readTemplates(join(PROJECT, 'site'))

const key = (jwk: Jwk): PublicKey => {
  const { key: made } = toPublicKey(jwk, 'file')
  if (made === null) throw new Error('not a key')
  return made
}
const siteOf = (production: Jwk[], nonprod: Jwk[] = [], commit: string | null = 'abc') =>
  render(
    {
      production: { keys: production.map(key), lifecycle: {} },
      nonprod: { keys: nonprod.map(key), lifecycle: {} },
    },
    settings,
    templates,
    commit,
  )
const text = (site: ReadonlyMap<string, string>, path: string): string => site.get(path) ?? ''

test('the same keys in any order, and the same commit, are the same bytes', () => {
  const [a, b] = [rsaJwk(), ecJwk()]
  expect([...siteOf([a, b])]).toEqual([...siteOf([b, a])])
  expect(text(siteOf([a]), 'publication.json')).not.toBe(
    text(siteOf([a], [], 'def'), 'publication.json'),
  )
})

test('publication.json has the hash of every other file', () => {
  const site = siteOf([rsaJwk()], [ecJwk()])
  const { commit, files } = JSON.parse(text(site, 'publication.json'))
  expect(commit).toBe('abc')
  expect(Object.keys(files).sort()).toEqual(
    [...site.keys()].filter(path => path !== 'publication.json').sort(),
  )
  for (const [path, sum] of Object.entries(files))
    expect(hash('sha256', text(site, path), 'hex')).toBe(sum)
})

test('jose verifies with the published set what the private halves signed', async () => {
  const site = siteOf([
    { ...rsaJwk(), kid: 'r' },
    { ...ecJwk('P-384'), kid: 'e' },
  ])
  const keys = createLocalJWKSet(JSON.parse(text(site, '.well-known/jwks.json')))
  for (const [kid, alg, privateKey] of [
    ['r', 'RS384', rsaPair().privateKey],
    ['e', 'ES384', ecPair('P-384').privateKey],
  ] as const) {
    const jwt = await new SignJWT({ ok: true }).setProtectedHeader({ alg, kid }).sign(privateKey)
    expect((await jwtVerify(jwt, keys)).payload).toEqual({ ok: true })
  }
})

test('jwcrypto, in another language, reads the published set and finds the same thumbprints', () => {
  const site = siteOf([rsaJwk(), ecJwk('P-256'), ecJwk('P-384')])
  const program = [
    'import sys, json',
    'from jwcrypto.jwk import JWKSet',
    'print(json.dumps({k["kid"]: k.thumbprint() for k in JWKSet.from_json(sys.stdin.read())["keys"]}))',
  ].join('\n')
  const { stdout, stderr } = spawnSync('/usr/bin/python3', ['-c', program], {
    input: text(site, '.well-known/jwks.json'),
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  const prints: Record<string, string> = JSON.parse(stdout)
  expect(Object.keys(prints)).toHaveLength(3)
  for (const [kid, print] of Object.entries(prints)) expect(print).toBe(kid)
})

test('what the policy of a page lets in is its own style and script', () => {
  const site = siteOf([rsaJwk()])
  for (const [path, scripts] of [
    ['index.html', 1],
    ['404.html', 0],
  ] as const) {
    const page = text(site, path)
    const hashes = [...page.matchAll(/<(style|script)>([\s\S]*?)<\/\1>/g)].map(
      ([, name, source = '']) => `${name}-src 'sha256-${hash('sha256', source, 'base64')}'`,
    )
    expect(hashes).toHaveLength(1 + scripts)
    const policy = `default-src 'none'; ${hashes.join('; ')}; img-src data:; base-uri 'none'; form-action 'none'`
    expect(page).toContain(`<meta http-equiv="Content-Security-Policy" content="${policy}">`)
    expect(page).not.toMatch(/<script .*src|<link rel="(?!icon" href="data:)|@import|url\(| style=/)
  }
})

test('_headers has a rule for every file that is served to somebody, key sets first', () => {
  const site = siteOf([rsaJwk()], [ecJwk()])
  const rules = text(site, '_headers').match(/^\/.*/gm)
  const pems = [...site.keys()].filter(path => path.endsWith('.pem')).map(path => `/${path}`)
  expect(pems).toHaveLength(2)
  expect(rules).toEqual([
    '/.well-known/jwks.json',
    '/nonprod/.well-known/jwks.json',
    '/',
    '/index.html',
    '/404.html',
    ...pems,
  ])
})
