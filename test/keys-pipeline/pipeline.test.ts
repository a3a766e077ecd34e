import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { PipelineError } from '../../keys-pipeline/errors.ts'
import { build, judgeKeys, judgePaths } from '../../keys-pipeline/pipeline.ts'
import { readTemplates } from '../../keys-pipeline/read.ts'
import { readSettings } from '../../keys-pipeline/settings.ts'
import { asIs, ecJwk, folderWith, privateJwk, rsaJwk, rsaPair, spki } from '../support/key-files.ts'
import { PROJECT } from '../support/processes.ts'

const settings = readSettings(join(PROJECT, 'keys-pipeline', 'publisher.yaml'), asIs)
const templates = readTemplates(join(PROJECT, 'site'))
const print = 'A'.repeat(43)
const lifecycle = {
  keys: { [print]: { kid: 'k', created: '2026-11-25T00:00:00Z', role: 'signer' } },
}

const judged = (folder: string) => judgeKeys(folder, asIs).findings.map(each => each.code)
const buildFrom = (keys: string) => {
  const out = join(folderWith(), 'out')
  return { out, site: build({ keys, out, settings, templates, commit: 'abc', show: asIs }) }
}

describe('the keys folder', () => {
  test('holds keys in any form, a file or a set each', () => {
    const folder = folderWith({
      'production/a.pem': spki(rsaPair().publicKey),
      'production/set.jwks.json': { keys: [ecJwk('P-256'), ecJwk('P-384')] },
      'nonprod/b.jwk.json': rsaJwk(1),
    })
    const { findings, files, keys } = judgeKeys(folder, asIs)
    expect({ findings, files, keys }).toEqual({ findings: [], files: 3, keys: 4 })
  })

  test.each<[string, Record<string, string | object>, string[]]>([
    ['no key at all', {}, ['set_empty']],
    [
      'only files that mark empty folders',
      { 'production/.gitkeep': '', 'nonprod/.gitkeep': '' },
      ['set_empty'],
    ],
    [
      'one key in both environments',
      { 'production/a.jwk.json': rsaJwk(), 'nonprod/b.pem': spki(rsaPair().publicKey) },
      ['key_in_both_environments'],
    ],
    [
      'an environment that has lost its keys',
      { 'production/lifecycle.json': lifecycle, 'nonprod/a.jwk.json': rsaJwk() },
      ['set_empty'],
    ],
    ['an empty JWKS', { 'production/a.jwks.json': { keys: [] } }, ['set_empty']],
    ['a private key', { 'nonprod/a.jwk.json': privateJwk() }, ['private_member']],
    [
      'one key in two forms',
      { 'nonprod/a.jwk.json': rsaJwk(), 'nonprod/b.pem': spki(rsaPair().publicKey) },
      ['key_twice'],
    ],
    [
      'two faults',
      { 'nonprod/a.jwk.json': privateJwk(), 'nonprod/b.txt': 'x', 'nonprod/c.pem': 'x' },
      ['file_unknown', 'private_member', 'form_unknown'],
    ],
  ])('with %s is refused', (_, files, codes) => {
    expect(judged(folderWith(files))).toEqual(codes)
  })

  test('may begin with nonprod alone', () => {
    const { site } = buildFrom(folderWith({ 'nonprod/a.jwk.json': rsaJwk() }))
    expect(site.has('nonprod/.well-known/jwks.json')).toBe(true)
    expect(site.has('.well-known/jwks.json')).toBe(false)
  })

  test('with a lifecycle file that cannot be read is refused', () => {
    expect(() => judged(folderWith({ 'nonprod/lifecycle.json': '{' }))).toThrowError(
      expect.objectContaining({ code: 'lifecycle_unreadable' }),
    )
  })
})

describe('a build', () => {
  test('writes just the files of the design, in which publication.json has the hash of each', () => {
    const { out, site } = buildFrom(
      folderWith({ 'production/a.jwk.json': rsaJwk(), 'nonprod/b.jwk.json': ecJwk() }),
    )
    const pems = [...site.keys()].filter(path => /^keys\/[\w-]{43}\.pem$/.test(path))
    expect([...site.keys()].sort()).toEqual(
      [
        '.nojekyll',
        '.well-known/jwks.json',
        '404.html',
        '_headers',
        'index.html',
        ...pems,
        'nonprod/.well-known/jwks.json',
        'publication.json',
      ].sort(),
    )
    expect(pems).toHaveLength(2)
    for (const [path, text] of site) expect(readFileSync(join(out, path), 'utf8')).toBe(text)
  })

  test('of a folder with a finding writes nothing and reports all', () => {
    const keys = folderWith({ 'nonprod/a.jwk.json': privateJwk(), 'production/b.txt': '' })
    try {
      buildFrom(keys)
      expect.unreachable()
    } catch (error) {
      expect((error as PipelineError).findings.map(each => each.code)).toEqual([
        'file_unknown',
        'private_member',
      ])
    }
  })
})

describe('files and folders of anybody', () => {
  const lint = (files: Record<string, string | object>, ...names: string[]) => {
    const folder = folderWith(files)
    const {
      findings,
      files: read,
      keys,
    } = judgePaths(names.length > 0 ? names.map(name => join(folder, name)) : [folder], asIs)
    return { codes: findings.map(each => each.code), read, keys }
  }

  test('a JWKS file is a set of its own', () => {
    expect(lint({ 'a.json': { keys: [rsaJwk()] }, 'b.json': { keys: [rsaJwk()] } })).toEqual({
      codes: [],
      read: 2,
      keys: 2,
    })
    expect(lint({ 'a.json': { keys: [rsaJwk(), rsaJwk()] } }).codes).toEqual(['key_twice'])
    expect(lint({ 'a.json': { keys: [] } }).codes).toEqual(['set_empty'])
  })

  test('the single-key files of one folder are a set', () => {
    expect(lint({ 'a/x.json': rsaJwk(), 'b/y.json': rsaJwk() }).codes).toEqual([])
    expect(lint({ 'a/x.json': rsaJwk(), 'a/y.json': rsaJwk() }).codes).toEqual(['key_twice'])
  })

  test('folders called production and nonprod may share no key', () => {
    expect(
      lint({ 'x/production/a.json': { keys: [rsaJwk()] }, 'x/nonprod/b.json': rsaJwk() }).codes,
    ).toEqual(['key_in_both_environments'])
  })

  test('101 keys in one folder are too many', () => {
    const files = Object.fromEntries(
      Array.from({ length: 101 }, (_, at) => [`${at}.json`, ecJwk('P-256', at)]),
    )
    expect(lint(files).codes).toEqual(['too_many_keys'])
  })
})
