import { describe, expect, test } from 'vitest'
import { parse, parseDocument } from 'yaml'
import type { Change, Fields } from '../../../broker/catalogue/merge.ts'
import { changedFile, newFile } from '../../../broker/catalogue/upstream-yaml.ts'

const FIELDS: Fields = {
  fhirBase: 'https://ehr.example.com/r4',
  tokenEndpoint: 'https://ehr.example.com/token',
  clientId: 'our-app',
  environment: 'production',
  profile: 'epic',
  scopes: ['system/Patient.read', 'system/Task.read'],
}
const off = { enabled: false, reason: 'The EHR: it did not # answer' } as const
const change = (field: Change['field'], from: Change['from'], to: Change['to']): Change => ({
  field,
  from,
  to,
})
const changed = (text: string, ...changes: Change[]) => changedFile(parseDocument(text), changes)

test('a new file is headed by the name, and says what it should', () => {
  expect(newFile('Saint Nowhere', FIELDS)).toBe(
    [
      '# Saint Nowhere',
      '',
      'fhirBase: https://ehr.example.com/r4',
      'tokenEndpoint: https://ehr.example.com/token',
      'clientId: our-app',
      'environment: production',
      'profile: epic',
      'scopes:',
      '  - system/Patient.read',
      '  - system/Task.read',
      '',
    ].join('\n'),
  )
  const { tokenEndpoint: _, ...others } = FIELDS
  expect(parse(newFile('x', { ...others, off }))).toEqual({ ...others, ...off })
})

test.each(['a: b', '# x', '- x', '"', '[', '&a *b', '%YAML', '---', '...', 'a'.repeat(500)])(
  'the name %j is a comment and nothing else',
  name => {
    expect(parse(newFile(name, FIELDS))).toEqual(FIELDS)
  },
)

test('a client ID that YAML would take for something else stays a text', () => {
  for (const clientId of ['1e5', 'true', 'null', '0x10', '- a', '2026-01-01', '#x'])
    expect(parse(newFile('x', { ...FIELDS, clientId })).clientId).toBe(clientId)
})

const NOTED = `# Saint Nowhere
# Ask for Dr. Nobody.

fhirBase: https://ehr.example.com/r4 # the new one
# until they have mapped us
enabled: false # ticket 12
reason: never answered
clientId: 'our-app' # with quotes
environment: production
profile: epic
scopes:
  # all they gave us
  - system/Patient.read # needed by scheduling
  - system/Task.read
deadline: 40 # slow
# the end
`

describe('what somebody noted is kept', () => {
  const notes = (text: string): string[] =>
    [...text.matchAll(/# ?(.*)/g)].map(each => each[1] ?? '')

  test.each<[string, Change[], object]>([
    [
      'when a value is replaced',
      [change('clientId', 'our-app', 'other-app')],
      { clientId: 'other-app' },
    ],
    [
      'when a setting is added',
      [change('tokenEndpoint', undefined, 'https://t')],
      { tokenEndpoint: 'https://t' },
    ],
    [
      'when a setting goes',
      [change('off', { enabled: false, reason: 'x' }, undefined)],
      { enabled: undefined, reason: undefined },
    ],
    [
      'when the reason changes',
      [change('off', { enabled: false, reason: 'x' }, { enabled: false, reason: 'y' })],
      { enabled: false, reason: 'y' },
    ],
    [
      'when a scope is added',
      [change('scopes', [], ['system/Patient.read', 'system/Task.read', 'system/Group.read'])],
      { scopes: ['system/Patient.read', 'system/Task.read', 'system/Group.read'] },
    ],
    [
      'when a scope goes',
      [change('scopes', [], ['system/Patient.read'])],
      { scopes: ['system/Patient.read'] },
    ],
  ])('%s', (_, changes, expected) => {
    const text = changed(NOTED, ...changes)
    expect(notes(text).sort()).toEqual(notes(NOTED).sort())
    expect({ enabled: undefined, reason: undefined, ...parse(text) }).toEqual({
      ...parse(NOTED),
      ...expected,
    })
  })

  test('when the last setting goes', () => {
    const text = changed(
      'clientId: a\n# why\nca: x.pem # which\n',
      change('ca', 'x.pem', undefined),
    )
    expect([parse(text), notes(text)]).toEqual([{ clientId: 'a' }, ['why', 'which']])
  })
})

test('an added setting stands where a new file has it', () => {
  const text = changed(
    NOTED,
    change('tokenEndpoint', undefined, 'https://t'),
    change('off', off, undefined),
  )
  expect(Object.keys(parse(text)).slice(0, 3)).toEqual(['fhirBase', 'tokenEndpoint', 'clientId'])
})

test('an upstream is switched off by two settings', () => {
  const text = changed(newFile('x', FIELDS), change('off', undefined, off))
  expect(parse(text)).toEqual({ ...FIELDS, ...off })
})

test('a file in another style is changed all the same', () => {
  const flow = '{ fhirBase: https://a, clientId: a, scopes: [a, b] }\n'
  expect(
    parse(changed(flow, change('clientId', 'a', 'c'), change('scopes', [], ['b', 'd']))),
  ).toEqual({
    fhirBase: 'https://a',
    clientId: 'c',
    scopes: ['b', 'd'],
  })
  const anchors = 'clientId: &id a\nca: *id\nscopes: &s [a]\n'
  expect(parse(changed(anchors, change('ca', 'a', 'x.pem')))).toMatchObject({
    clientId: 'a',
    ca: 'x.pem',
  })
})

test('the document that was read is left as it is', () => {
  const document = parseDocument(NOTED)
  const before = String(document)
  changedFile(document, [change('clientId', 'our-app', 'other'), change('off', off, undefined)])
  expect(String(document)).toBe(before)
})
