import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import type { PipelineError } from '../../keys-pipeline/errors.ts'
import { keySetUrl, readSettings } from '../../keys-pipeline/settings.ts'
import { asIs, folderWith } from '../support/key-files.ts'
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
