import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { PipelineError } from '../../keys-pipeline/errors.ts'
import { build, judgeFiles, judgeKeys, judgePaths } from '../../keys-pipeline/pipeline.ts'
import { readTemplates } from '../../keys-pipeline/read.ts'
import { readSettings } from '../../keys-pipeline/settings.ts'
import {
  asIs,
  codes,
  ecJwk,
  folderWith,
  freshEc,
  p256,
  p384,
  privateJwk,
  refusal,
  rsa,
  rsaJwk,
  rsaPair,
  spki,
  withFolder,
} from '../support/keys.ts'
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
    expect(judged(folderWith({ 'nonprod/lifecycle.json': '{' }))).toEqual(['lifecycle_unreadable'])
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

describe('the bytes of a site', () => {
  const bytesOf = (out: string): string[] =>
    readdirSync(out, { recursive: true, withFileTypes: true })
      .filter(each => each.isFile())
      .map(each => join(each.parentPath, each.name))
      .sort()
      .map(path => `${path.slice(out.length)} ${readFileSync(path, 'latin1')}`)
  const built = (keys: string): string[] => {
    const out = join(keys, 'out')
    build({ keys, out, settings, templates, commit: 'abc', show: asIs })
    return bytesOf(out)
  }

  test('do not depend on the names of the key files, on their order or on how keys share them', () => {
    const keys = [rsa(), p256(), p384(), freshEc(), freshEc('P-384')].map(pair => pair.jwk)
    const expected = withFolder(
      { 'nonprod/all.json': { keys: keys.slice(1) }, 'production/p.json': keys[0] ?? {} },
      built,
    )
    const names = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,6}$/), {
      minLength: 4,
      maxLength: 4,
    })
    fc.assert(
      fc.property(
        names,
        fc.shuffledSubarray(keys.slice(1), { minLength: 4 }),
        (stems, shuffled) => {
          const files = shuffled.map((jwk, at) => [`nonprod/${stems[at]}.json`, jwk] as const)
          const all = { ...Object.fromEntries(files), 'production/x.json': keys[0] ?? {} }
          expect(withFolder(all, built)).toEqual(expected)
        },
      ),
      { numRuns: 20 },
    )
  })

  test('do not depend on the clock', () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const at = (time: string): string[] => {
      vi.setSystemTime(time)
      return withFolder({ 'nonprod/a.json': rsa().jwk }, built)
    }
    expect(at('2026-01-01')).toEqual(at('2031-12-31T23:59:59Z'))
  })

  test('hold no private member and nothing else of a key file but the key', () => {
    const note = 'not-to-be-published'
    const bytes = withFolder(
      {
        'nonprod/a.json': { ...rsa().jwk, note, x5c: [note], [note]: 1 },
        'nonprod/b.pem': `${note}\n${p256().pem}${note}\n`,
        'nonprod/README.md': note,
        'nonprod/.gitkeep': note,
      },
      built,
    ).join('\n')
    expect(bytes).toContain(rsa().jwk['n'])
    expect(bytes).not.toContain(note)
  })
})

describe('every finding at once', () => {
  test('of both environments, with what is wrong between them', () => {
    const folder = folderWith({
      'production/a.pem': rsa().pem,
      'production/b.json': p256().secret,
      'production/c.txt': '',
      'nonprod/a.json': { ...rsa().jwk, kid: 'k' },
      'nonprod/b.json': { ...p384().jwk, kid: 'k' },
      'nonprod/c.json': { ...p384().jwk, kid: 'dev-x', use: 'enc' },
    })
    expect(judged(folder).sort()).toEqual([
      ...['file_unknown', 'key_in_both_environments', 'kid_dev', 'kid_duplicate'],
      ...['private_member', 'use_not_sig'],
    ])
  })

  test.each(['production', 'nonprod'])('with a lifecycle file of %s that is damaged', name => {
    const folder = folderWith({
      [`${name}/lifecycle.json`]: '{',
      'production/a.pem': rsa().privatePem,
      'nonprod/b.json': p256().secret,
    })
    const out = join(folderWith(), 'out')
    const found = refusal(() =>
      build({ keys: folder, out, settings, templates, commit: null, show: asIs }),
    )
    expect(codes(found).sort()).toEqual(['lifecycle_unreadable', 'private_member', 'private_pem'])
  })
})

describe('a keys folder', () => {
  test('that is a file is not taken for an empty one', () => {
    const keys = folderWith({ production: rsa().pem, 'nonprod/a.pem': p256().pem })
    const out = join(folderWith(), 'out')
    const found = refusal(() => build({ keys, out, settings, templates, commit: null, show: asIs }))
    expect(found).not.toEqual([])
  })

  test.each([
    ['a private key', 'leaked.pem', rsa],
    ['a folder with a slip in its name', 'prodution/a.pem', rsa],
  ])('with %s beside the environments is refused', (_, name, pair) => {
    expect(
      judged(folderWith({ [name]: pair().privatePem, 'nonprod/a.pem': p256().pem })),
    ).not.toEqual([])
  })

  test('with 100 keys is built, and with 101 refused', () => {
    const keys = Array.from({ length: 101 }, () => freshEc().jwk)
    expect(judged(folderWith({ 'nonprod/a.json': { keys: keys.slice(1) } }))).toEqual([])
    expect(judged(folderWith({ 'nonprod/a.json': { keys } }))).toEqual(['too_many_keys'])
  })
})

describe('a file that is linted', () => {
  const lint = (files: Record<string, string | object>) =>
    codes(judgePaths([folderWith(files)], asIs).findings).sort()

  test('may share its folder with a set that has the same key', () => {
    expect(lint({ 'set.json': { keys: [rsa().jwk] }, 'a.pem': rsa().pem })).toEqual([])
  })

  test('is a twin of another under another kid, and a namesake of another key', () => {
    expect(
      lint({ 'a.json': { ...rsa().jwk, kid: 'a' }, 'b.json': { ...rsa().jwk, kid: 'b' } }),
    ).toEqual(['key_twice'])
    expect(
      lint({ 'a.json': { ...rsa().jwk, kid: 'a' }, 'b.json': { ...p256().jwk, kid: 'a' } }),
    ).toEqual(['kid_duplicate'])
  })
})

describe('files of a commit are judged as the same files in a folder', () => {
  const secret = JSON.stringify(privateJwk())
  test.each<[string, Record<string, string>]>([
    ['good keys', { 'production/a.json': JSON.stringify(rsaJwk()), 'nonprod/b.pem': p256().pem }],
    ['no key', { 'nonprod/.gitkeep': '' }],
    ['a set that lost its keys', { 'nonprod/lifecycle.json': JSON.stringify(lifecycle) }],
    ['private material', { 'nonprod/a.json': secret, 'nonprod/deep/b.pem': rsa().privatePem }],
    ['one key in both', { 'nonprod/a.pem': p256().pem, 'production/b.pem': p256().pem }],
    ['one key twice', { 'nonprod/a.pem': p256().pem, 'nonprod/deep/b.pem': p256().pem }],
    ['a broken record', { 'nonprod/a.pem': p256().pem, 'nonprod/lifecycle.json': '{' }],
    ['a file of no kind', { 'nonprod/a.pem': p256().pem, 'nonprod/b.sh': '' }],
    ['what is not entered', { 'nonprod/a.pem': p256().pem, 'nonprod/node_modules/b.sh': '' }],
    ['what is passed over', { 'nonprod/a.pem': p256().pem, 'nonprod/deep/README.md': '' }],
  ])('%s', (_, files) => {
    const of = (environment: string) =>
      Object.entries(files)
        .filter(([path]) => path.startsWith(`${environment}/`))
        .map(([path, text]) => ({ path: `keys/${path}`, bytes: Buffer.from(text) }))
    const committed = judgeFiles('keys', { production: of('production'), nonprod: of('nonprod') })
    const root = folderWith(files)
    expect(committed).toEqual(judgeKeys(root, path => path.replace(root, 'keys')))
  })
})
