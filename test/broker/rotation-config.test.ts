import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { ConfigError, readConfig } from '../../broker/config.ts'
import type { ConfigFile } from '../../broker/config-schema.ts'
import { fill, folderWith, rsa } from '../support/keys.ts'

const GITHUB = { repository: 'acme-health/keys', tokenFile: 'github.token' }
const APP = { id: 1, installationId: 2, keyFile: 'app.pem' }

/** What the config makes of it, or where it is refused. */
function settle(rotation: unknown, nonprod: object = {}) {
  const folder = folderWith({ 'github.token': 'token\n', 'app.pem': rsa().privatePem })
  fill(folder, { 'empty.token': '', 'two.token': 'one two', 'open.token': 'token' })
  for (const name of ['github.token', 'app.pem', 'empty.token', 'two.token'])
    chmodSync(join(folder, name), 0o600)
  const file = {
    issuer: 'http://127.0.0.1:8400',
    ...{ listen: { port: 0 }, audit: { file: 'audit.ndjson' }, services: {}, upstreams: {} },
    keys: {
      nonprod: {
        ...{ folder: 'private', jwksUrl: 'https://keys.example.com/jwks.json', ...nonprod },
      },
    },
    rotation,
  } as unknown as ConfigFile
  const path = join(folder, 'broker.yaml')
  fill(folder, { 'broker.yaml': stringify(file) })
  try {
    return { folder, rotation: readConfig(path).rotation, at: [] }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return { folder, rotation: null, at: error.complaints.map(({ at }) => at) }
  }
}

test('who says nothing rotates on command, and publishes by hand', () => {
  const nothing = { every: null, standby: false, github: null }
  expect(settle(undefined).rotation).toEqual(nothing)
  expect(settle({}).rotation).toEqual(nothing)
  expect(settle({ every: 90, github: 'none' }).rotation).toEqual({ ...nothing, every: 90 })
})

test('a token or an app writes into one repository; their files are named absolutely', () => {
  const { folder, rotation } = settle({ github: GITHUB })
  expect(rotation?.github).toEqual({
    ...{ repository: 'acme-health/keys', baseUrl: null, ca: null },
    credential: { kind: 'token', file: join(folder, 'github.token') },
  })
  const github = { repository: 'a/b', app: APP, baseUrl: 'https://github.example.com/api/v3/' }
  const app = settle({ github })
  expect(app.rotation?.github).toEqual({
    ...{ repository: 'a/b', baseUrl: 'https://github.example.com/api/v3', ca: null },
    credential: {
      ...{ kind: 'app', id: 1, installationId: 2, keyFile: join(app.folder, 'app.pem') },
    },
  })
})

describe('refused', () => {
  test.each<[string, unknown, object, string]>([
    ['a rotation where no set is watched', {}, { jwksUrl: undefined }, '/rotation'],
    ['a standby without a folder', { standby: true }, {}, '/rotation/standby'],
    ['a token and an app', { github: { ...GITHUB, app: APP } }, {}, '/rotation/github'],
    ['neither', { github: { repository: 'a/b' } }, {}, '/rotation/github'],
    ['no such token', { github: { ...GITHUB, tokenFile: 'x' } }, {}, '/rotation/github/tokenFile'],
    [
      'two words',
      { github: { ...GITHUB, tokenFile: 'two.token' } },
      {},
      '/rotation/github/tokenFile',
    ],
    [
      'nothing',
      { github: { ...GITHUB, tokenFile: 'empty.token' } },
      {},
      '/rotation/github/tokenFile',
    ],
    [
      'a token for all',
      { github: { ...GITHUB, tokenFile: 'open.token' } },
      {},
      '/rotation/github/tokenFile',
    ],
    [
      'no key of an app',
      { github: { repository: 'a/b', app: { ...APP, keyFile: 'github.token' } } },
      {},
      '/rotation/github/app/keyFile',
    ],
    [
      'plain http',
      { github: { ...GITHUB, baseUrl: 'http://github.example.com' } },
      {},
      '/rotation/github/baseUrl',
    ],
    [
      'a URL for a name',
      { github: { ...GITHUB, repository: 'https://github.com/a/b' } },
      {},
      '/rotation/github',
    ],
    ['a day that is none', { every: 0 }, {}, '/rotation/every'],
    ['what is not known', { weekly: true }, {}, '/rotation/weekly'],
  ])('%s', (_, rotation, nonprod, at) => {
    expect(settle(rotation, nonprod).at).toContain(at)
  })
})
