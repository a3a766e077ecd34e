import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { build } from '../../keys-pipeline/pipeline.ts'
import { readTemplates } from '../../keys-pipeline/read.ts'
import { changesBetween, lookAgain, readNewSite } from '../../keys-pipeline/reload.ts'
import { readSettings } from '../../keys-pipeline/settings.ts'
import { asIs, codes, ecJwk, folderWith, refusal } from '../support/keys.ts'
import { PROJECT } from '../support/processes.ts'

function looking(outcomes: (string | null | Error)[]) {
  const taken: string[] = []
  const kept: string[] = []
  const look = lookAgain<string>({
    read: () => {
      const next = outcomes.shift() ?? null
      if (next instanceof Error) throw next
      return next
    },
    take: next => taken.push(next),
    keep: why => kept.push(why.message),
  })
  return { look, taken, kept }
}

test('what is new is taken; what is as before is left alone', () => {
  const { look, taken, kept } = looking(['a', null, 'b'])
  for (let times = 0; times < 4; times++) look()
  expect([taken, kept]).toEqual([['a', 'b'], []])
})

test('a fault is told when it is found a second time, and once', () => {
  const bad = () => new Error('damaged')
  const { look, taken, kept } = looking([bad(), null, bad(), bad(), bad(), 'a', bad(), bad()])
  const seen = Array.from({ length: 8 }, () => {
    look()
    return kept.length
  })
  expect(seen).toEqual([0, 0, 0, 1, 1, 1, 1, 2])
  expect(taken).toEqual(['a'])
})

function buildInto(out: string, kid: string): void {
  build({
    keys: folderWith({ 'nonprod/a.json': { ...ecJwk(), kid } }),
    ...{ out, templates: readTemplates(join(PROJECT, 'site')), commit: null, show: asIs },
    settings: readSettings(join(PROJECT, 'keys-pipeline', 'publisher.yaml'), asIs),
  })
}

test('a site is new when its list is, and is whole or refused', () => {
  const out = join(folderWith(), 'out')
  buildInto(out, 'one')
  const site = readNewSite(out, undefined, asIs)
  const list = site?.get('publication.json')
  expect(readNewSite(out, list, asIs)).toBeNull()
  buildInto(out, 'two')
  const next = readNewSite(out, list, asIs)
  expect(site && next && changesBetween(site, next)).toContain('nonprod/.well-known/jwks.json')
  writeFileSync(join(out, 'index.html'), 'changed by hand')
  expect(codes(refusal(() => readNewSite(out, list, asIs)))).toEqual(['out_damaged'])
})
