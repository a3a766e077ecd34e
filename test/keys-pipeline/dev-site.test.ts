import { join } from 'node:path'
import { expect, test } from 'vitest'
import { devKey, devSite } from '../../keys-pipeline/dev-site.ts'
import { judgeKeys } from '../../keys-pipeline/pipeline.ts'
import { readTemplates } from '../../keys-pipeline/read.ts'
import { readSettings } from '../../keys-pipeline/settings.ts'
import { asIs, codes, ecJwk, folderWith, once, refusal, type Tree } from '../support/keys.ts'
import { PROJECT } from '../support/processes.ts'

const settings = readSettings(join(PROJECT, 'keys-pipeline', 'publisher.yaml'), asIs)
const templates = readTemplates(join(PROJECT, 'site'))
const throwAway = once(devKey)

const siteOf = (files: Tree) =>
  devSite(judgeKeys(folderWith(files), asIs), settings, templates, throwAway)
const kidsOf = (files: Tree): string[] =>
  JSON.parse(siteOf(files).get('nonprod/.well-known/jwks.json') ?? '').keys.map(
    (key: { kid: string }) => key.kid,
  )

test('a throw-away key says by its kid that it is one', () => {
  expect(kidsOf({})).toEqual([throwAway().jwk.kid])
  expect(throwAway().jwk.kid).toMatch(/^dev-/)
  expect(throwAway().jwk).not.toHaveProperty('d')
})

test('it is not there beside keys', () => {
  expect(kidsOf({ 'nonprod/a.json': { ...ecJwk(), kid: 'mine' } })).toEqual(['mine'])
})

test('keys that would not be published are not shown either', () => {
  expect(codes(refusal(() => siteOf({ 'nonprod/a.pem': 'x' })))).toEqual(['form_unknown'])
})
