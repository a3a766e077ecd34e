import { readFileSync } from 'node:fs'
import { join, matchesGlob } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { PROJECT } from '../support/processes.ts'
import { files } from './project.ts'

const read = (name: string): string => readFileSync(join(PROJECT, '.github', name), 'utf8')

describe('CODEOWNERS', () => {
  interface Line {
    pattern: string
    owners: string[]
  }
  const linesOf = (text: string): Line[] =>
    text
      .split('\n')
      .filter(line => line !== '' && !line.startsWith('#'))
      .map(line => {
        const [pattern = '', ...owners] = line.split(/\s+/)
        return { pattern, owners }
      })

  /** The last line that matches decides. All of ours start at the root, and a folder's ends with a slash. */
  const covers = (pattern: string, file: string): boolean =>
    pattern.endsWith('/') ? `/${file}`.startsWith(pattern) : matchesGlob(`/${file}`, pattern)
  const ownersOf = (file: string, text: string): string[] =>
    linesOf(text).findLast(({ pattern }) => covers(pattern, file))?.owners ?? []

  const decidesWhatIsPublished = (file: string): boolean =>
    /^(keys-pipeline|site|\.github)\/|^package[^/]*\.json$|^\.npmrc$/.test(file)
  const unowned = (text: string): string[] =>
    files().filter(file => decidesWhatIsPublished(file) && ownersOf(file, text).length === 0)

  test('a custodian owns every file that decides what is published', () => {
    const areas = new Set(
      files()
        .filter(decidesWhatIsPublished)
        .map(file => file.split('/')[0]),
    )
    expect([...areas]).toEqual(
      expect.arrayContaining([
        'keys-pipeline',
        'site',
        '.github',
        'package.json',
        'package-lock.json',
      ]),
    )
    expect(unowned(read('CODEOWNERS'))).toEqual([])
  })

  test('the file itself has an owner, or anyone could take the others away', () => {
    expect(ownersOf('.github/CODEOWNERS', read('CODEOWNERS'))).not.toEqual([])
  })

  test.each<[string, string | RegExp, string]>([
    ['a line is gone', /^\/site\/.*\n/m, ''],
    ['a folder is written as a file', '/keys-pipeline/ ', '/keys-pipeline '],
    ['only the first level is meant', '/keys-pipeline/ ', '/keys-pipeline/* '],
    ['the lockfile is forgotten', '/package*.json', '/package.json'],
    ['a later line takes the owners away', /$/, '/keys-pipeline/keys/\n'],
  ])('files are without an owner when %s', (_, there, becomes) => {
    expect(unowned(read('CODEOWNERS').replace(there, becomes))).not.toEqual([])
  })

  test('an owner is a person or a team of an organisation', () => {
    const owners = linesOf(read('CODEOWNERS')).flatMap(line => line.owners)
    expect(owners.filter(owner => !/^@[\w-]+(\/[\w-]+)?$/.test(owner))).toEqual([])
  })
})

describe('Dependabot', () => {
  interface Update {
    'package-ecosystem': string
    directory?: string
    directories?: string[]
    cooldown?: Record<string, unknown>
  }
  /** The kinds of files that name what others wrote, and who keeps them new. */
  const KEPT: [RegExp, string][] = [
    [/(^|\/)package-lock\.json$/, 'npm'],
    [/(^|\/)Dockerfile$/, 'docker'],
    [/^\.github\/workflows\/[^/]+$/, 'github-actions'],
  ]
  /** GitHub refuses the whole file if an ecosystem has a kind of cooldown that it does not know. */
  const BY_VERSION = ['npm']

  const updatesOf = (text: string): Update[] => parse(text).updates
  const covers = (update: Update, ecosystem: string, folder: string): boolean =>
    update['package-ecosystem'] === ecosystem &&
    (update.directories ?? [update.directory]).includes(folder)

  /** Dependabot looks for workflows from the root, and for the rest in the very folder. */
  const folderOf = (file: string, ecosystem: string): string =>
    ecosystem === 'github-actions' ? '/' : `/${file.split('/').slice(0, -1).join('/')}`

  function complaints(text: string): string[] {
    const updates = updatesOf(text)
    const old = files().flatMap(file =>
      KEPT.filter(([pattern]) => pattern.test(file))
        .map(([, ecosystem]) => [ecosystem, folderOf(file, ecosystem)] as const)
        .filter(([ecosystem, folder]) => !updates.some(each => covers(each, ecosystem, folder)))
        .map(([ecosystem, folder]) => `${ecosystem} in ${folder} grows old`),
    )
    return [
      ...new Set(old),
      ...updates.flatMap(({ 'package-ecosystem': ecosystem, cooldown = {} }) => {
        const refused = Object.keys(cooldown).filter(
          key => key.startsWith('semver-') && !BY_VERSION.includes(ecosystem),
        )
        return [
          ...(Number(cooldown['default-days']) >= 7
            ? []
            : [`${ecosystem} takes what is a day old`]),
          ...refused.map(key => `${ecosystem} does not know ${key}`),
        ]
      }),
    ]
  }

  test('everything that others wrote is kept new, after a time to be found bad', () => {
    expect(updatesOf(read('dependabot.yml')).map(each => each['package-ecosystem'])).toEqual(
      expect.arrayContaining(['npm', 'github-actions']),
    )
    expect(complaints(read('dependabot.yml'))).toEqual([])
  })

  test.each<[string, string | RegExp, string]>([
    ['actions are left out', 'github-actions', 'gitsubmodule'],
    ['packages of another folder are meant', 'directory: /\n', 'directory: /broker\n'],
    ['there is no cooldown', /\n {4}cooldown:\n {6}default-days: 7/, ''],
    ['the cooldown is a day', 'default-days: 7', 'default-days: 1'],
    [
      'actions wait by kind of version',
      /default-days: 7(?![\s\S]*default-days)/,
      'default-days: 7\n      semver-major-days: 21',
    ],
  ])('one complaint when %s', (_, there, becomes) => {
    const text = read('dependabot.yml')
    const spoilt = text.replace(there, becomes)
    expect(spoilt).not.toBe(text)
    expect(complaints(spoilt)).toHaveLength(1)
  })
})
