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

test('a kid cannot write HTML into the page', () => {
  const page = text(
    siteOf([{ ...rsaJwk(), kid: '"><script>alert(1)</script>{{style}}' }]),
    'index.html',
  )
  expect(page).not.toContain('<script')
  expect(page).toContain('&lt;script&gt;')
  expect(page.match(/<style>/g)).toHaveLength(1)
})

test('the page’s policy allows its own style and nothing else', () => {
  const page = text(siteOf([rsaJwk()]), 'index.html')
  const style = /<style>([\s\S]*?)<\/style>/.exec(page)?.[1] ?? ''
  expect(page).toContain(
    `default-src 'none'; style-src 'sha256-${hash('sha256', style, 'base64')}'`,
  )
  expect(page).not.toMatch(/<script|<img|<link|@import|url\(/)
})

test('the page shows each environment’s URL, or that nothing is published there', () => {
  const page = text(siteOf([rsaJwk()]), 'index.html')
  expect(page).toContain('https://keys.example.com/.well-known/jwks.json')
  expect(page).not.toContain('nonprod/.well-known')
})
