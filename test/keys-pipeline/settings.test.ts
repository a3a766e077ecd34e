import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import type { PipelineError } from '../../keys-pipeline/errors.ts'
import { keySetUrl, readSettings } from '../../keys-pipeline/settings.ts'
import { asIs, folderWith } from '../support/keys.ts'
import { PROJECT } from '../support/processes.ts'

const shipped = join(PROJECT, 'keys-pipeline', 'publisher.yaml')
const good = parse(readFileSync(shipped, 'utf8'))
const codes = (content: string): string[] => {
  try {
    readSettings(join(folderWith({ 'publisher.yaml': content }), 'publisher.yaml'), asIs)
  } catch (error) {
    return (error as PipelineError).findings.map(each => each.code)
  }
  return []
}

test('the settings that are shipped are good, with the paths of the design', () => {
  const { environments } = readSettings(shipped, asIs)
  expect(environments.production.path).toBe('.well-known/jwks.json')
  expect(environments.nonprod.path).toBe('nonprod/.well-known/jwks.json')
})

test('a file that is missing is a finding', () => {
  expect(() => readSettings('/nowhere', asIs)).toThrowError(
    expect.objectContaining({ code: 'file_unreadable' }),
  )
})

describe('is refused', () => {
  test.each<[string, object]>([
    ['http', { ...good, baseUrl: 'http://keys.example.com' }],
    ['a query', { ...good, baseUrl: 'https://keys.example.com/?x' }],
    ['a user', { ...good, baseUrl: 'https://a@keys.example.com' }],
    ['no URL', { ...good, baseUrl: 'keys' }],
    [
      'one path for both',
      { ...good, environments: { production: { path: 'a.json' }, nonprod: { path: 'a.json' } } },
    ],
    [
      'a path out of the site',
      { ...good, environments: { ...good.environments, nonprod: { path: '../a.json' } } },
    ],
    [
      'an absolute path',
      { ...good, environments: { ...good.environments, nonprod: { path: '/a.json' } } },
    ],
    ['an unknown setting', { ...good, more: 1 }],
    ['no guard', { ...good, guard: undefined }],
    ['a move without a reason', { ...good, moved: { from: 'https://old.example.com' } }],
    ['a move from no URL', { ...good, moved: { from: 'old', reason: 'x' } }],
  ])('%s', (_, content) => {
    expect(new Set(codes(stringify(content)))).toEqual(new Set(['settings_invalid']))
  })

  test('what is not YAML', () => {
    expect(codes('a: [')).toContain('settings_invalid')
  })
})

test('the URL to register has one slash before the path', () => {
  expect(keySetUrl('https://x.example.com/keys/', 'a/b.json')).toBe(
    'https://x.example.com/keys/a/b.json',
  )
  expect(keySetUrl('https://x.example.com', 'a/b.json')).toBe('https://x.example.com/a/b.json')
})

describe('is refused, as one finding or more and never as a crash', () => {
  const environments = (production: string, nonprod = 'nonprod/jwks.json') => ({
    ...good,
    environments: { production: { path: production }, nonprod: { path: nonprod } },
  })
  test.each<[string, string]>([
    ['an empty file', ''],
    ['a list', '[]'],
    ['two documents', `${stringify(good)}---\n${stringify(good)}`],
    ['a key twice', `baseUrl: https://a.example\n${stringify(good)}`],
    ['an alias of nothing', stringify(good).replace('https://keys.example.com', '*nothing')],
    ['an alias of itself', `${stringify(good)}more: &a [*a]\n`],
    [
      'aliases that grow without end',
      `a: &a [x]\n${[...'bcdefghij'].map((name, at) => `${name}: &${name} [${`*${'abcdefghij'[at]},`.repeat(9)}]`).join('\n')}\n`,
    ],
    [
      'a base URL with a slash at the end',
      stringify({ ...good, baseUrl: 'https://keys.example.com/x/' }),
    ],
    [
      'a base URL with an empty query',
      stringify({ ...good, baseUrl: 'https://keys.example.com?' }),
    ],
    [
      'a base URL with an empty fragment',
      stringify({ ...good, baseUrl: 'https://keys.example.com#' }),
    ],
    ['a base URL with spaces', stringify({ ...good, baseUrl: ' https://keys.example.com' })],
    ['a base URL without slashes', stringify({ ...good, baseUrl: 'https:keys.example.com' })],
    ['a base URL that is a number', stringify({ ...good, baseUrl: 7 })],
    ['a path with a dot for a folder', stringify(environments('./jwks.json'))],
    ['a path with two slashes', stringify(environments('a//jwks.json'))],
    ['a path with a query', stringify(environments('jwks.json?x.json'))],
    ['a path that is no JSON', stringify(environments('jwks'))],
    ['the path of the publication', stringify(environments('publication.json'))],
    ['a path below the other', stringify(environments('a.json', 'a.json/b.json'))],
    ['a guard below zero', stringify({ ...good, guard: { live: -1, retired: 1 } })],
    ['a guard that is text', stringify({ ...good, guard: { live: '20m', retired: 1 } })],
  ])('%s', (_, content) => {
    expect(new Set(codes(content))).toEqual(new Set(['settings_invalid']))
  })
})

test('every complaint comes at once', () => {
  const found = codes(stringify({ ...good, more: 1, guard: { live: -1 } }))
  expect(found.length).toBeGreaterThan(1)
  expect(
    codes(
      stringify({
        ...good,
        baseUrl: 'http://keys.example.com',
        environments: { production: { path: 'a/../b.json' }, nonprod: { path: 'a/../b.json' } },
      }),
    ).length,
  ).toBeGreaterThan(2)
})
