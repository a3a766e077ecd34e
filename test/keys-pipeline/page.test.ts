import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { fingerprint } from '../../keys-pipeline/jwk.ts'
import type { Lifecycle, LifecycleEntry } from '../../keys-pipeline/lifecycle.ts'
import { indexPage, notFoundPage, type Shown } from '../../keys-pipeline/page.ts'
import { readTemplates } from '../../keys-pipeline/read.ts'
import { ecJwk, type Jwk, published, rsaJwk } from '../support/keys.ts'
import { PROJECT } from '../support/processes.ts'

const templates = readTemplates(join(PROJECT, 'site'))
const BASE = 'https://keys.example.com'

function shown(jwks: Jwk[], lifecycle: Lifecycle = {}, base = BASE): Shown {
  const path = '.well-known/jwks.json'
  const keys = jwks.map(jwk => published(jwk))
  return { name: 'production', path, url: `${base}/${path}`, keys, lifecycle }
}
const pageOf = (...[jwks, lifecycle, base]: Parameters<typeof shown>): string =>
  indexPage(templates, base ?? BASE, [shown(jwks, lifecycle, base)])
/** What a reader gets to see of it, without the style and the script. */
const readable = (page: string): string =>
  page
    .replace(/<(style|script)>[\s\S]*?<\/\1>/g, '')
    .replace(/<\/?(span|wbr)[^>]*>/g, '')
    .replace(/<[^>]*>/g, '\n')

const entry = (more: Partial<LifecycleEntry> = {}): LifecycleEntry => ({
  kid: 'k',
  created: '2026-03-09T23:59:59Z',
  role: 'signer',
  ...more,
})

describe('a key is shown with', () => {
  test.each<[string, Jwk, string[]]>([
    ['RSA', { ...rsaJwk(), kid: 'mine', alg: 'RS256' }, ['RS256', 'RSA, 2048 bits']],
    ['P-256', { ...ecJwk('P-256'), kid: 'mine' }, ['ES256', 'EC, P-256']],
    ['P-384', { ...ecJwk('P-384'), kid: 'mine' }, ['ES384', 'EC, P-384']],
  ])('kid, alg, size, both fingerprints and its PEM: %s', (_, jwk, words) => {
    const { thumbprint, jwk: made } = published(jwk)
    const page = pageOf([jwk])
    const lines = readable(page).split('\n')
    expect(lines).toEqual(expect.arrayContaining(['mine', ...words, fingerprint(made), thumbprint]))
    expect(page).toContain(`href="keys/${thumbprint}.pem"`)
  })

  test('its thumbprint once, where that is its kid', () => {
    const { thumbprint } = published(ecJwk())
    const lines = readable(pageOf([ecJwk()])).split('\n')
    expect(lines.filter(line => line === thumbprint)).toHaveLength(1)
    expect(lines).toContain('Key ID (RFC 7638 thumbprint)')
  })

  test('the day it was added, in UTC, or that nobody recorded it', () => {
    const { thumbprint } = published(ecJwk())
    expect(readable(pageOf([ecJwk()], { [thumbprint]: entry() }))).toContain('2026-03-09')
    expect(readable(pageOf([ecJwk()]))).toContain('not recorded')
  })

  test('its role, if it is a standby', () => {
    const { thumbprint } = published(ecJwk())
    const badge = (role: LifecycleEntry['role']): boolean =>
      pageOf([ecJwk()], { [thumbprint]: entry({ role }) }).includes('class="badge"')
    expect([badge('standby'), badge('signer')]).toEqual([true, false])
  })
})

test('keys that went are listed newest first, without the reason', () => {
  const retired = (at: string) => entry({ retired: { at, reason: 'the laptop of X was stolen' } })
  const prints = ['A', 'B', 'C'].map(letter => letter.repeat(43))
  const [a = '', b = '', c = ''] = prints
  const page = pageOf([ecJwk()], {
    [a]: retired('2024-01-01T00:00:00Z'),
    [b]: { ...retired('2026-01-01T00:00:00Z'), kid: '<i>old</i>' },
    [c]: retired('2025-01-01T00:00:00Z'),
  })
  expect(readable(page).match(/[ABC]{43}/g)).toEqual([b, c, a])
  expect(page).toContain('3 retired keys')
  expect(page).toContain('&lt;i&gt;old&lt;/i&gt;')
  expect(page).not.toContain('stolen')
})

test('an environment without keys says so, and shows no URL to register', () => {
  const page = pageOf([])
  expect(page).toContain('No key is published here yet')
  expect(page).not.toContain('jwks.json')
})

test('a URL that a shell would take apart is quoted in the commands, and is itself as text', () => {
  const page = pageOf([ecJwk()], {}, "https://keys.example.com/it's;$(id)&x")
  const commands = [...page.matchAll(/<pre><code id=.*?>(.*?)<\/code>/g)].map(match => match[1])
  expect(commands).toHaveLength(2)
  for (const each of commands)
    expect(each).toMatch(/ &#39;https:\/\/keys\.example\.com\/it%27s;\$\(id\)&amp;x\/[^' ]+&#39;/)
  expect(page).toContain(
    'https://keys.example.com/it&#39;s;$(id)&amp;x/.well-known/jwks.json</code>',
  )
})

test('the page of what is not found says where the key sets are, by whole URLs', () => {
  const page = notFoundPage(templates, BASE, [shown([ecJwk()])])
  const links = [...page.matchAll(/<a href="([^"]*)"/g)].map(match => match[1])
  expect(links).toEqual([`${BASE}/.well-known/jwks.json`, `${BASE}/`])
  expect(notFoundPage(templates, BASE, [])).toContain('No key set is published yet')
})
