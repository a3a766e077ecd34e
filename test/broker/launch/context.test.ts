import { expect, test } from 'vitest'
import { asBrokerError } from '../../../broker/errors.ts'
import { contextOf, textIn } from '../../../broker/launch/context.ts'

const TOKEN = {
  ...{ access_token: 'A', token_type: 'bearer', expires_in: 3600, scope: 'openid', state: 'S' },
  ...{ refresh_token: 'R', id_token: 'I' },
}

test('all that the EHR says beside the token is kept, and nothing of the token', () => {
  const context = {
    ...{ patient: 'p1', encounter: 'e1', smart_style_url: 'https://ehr.example.com/s.json' },
    ...{ '__epic.dstu2.patient': 'T81', loginDepartment: 'd1', need_patient_banner: true },
    fhirContext: [{ reference: 'ImagingStudy/1' }],
  }
  expect(contextOf({ ...TOKEN, ...context })).toEqual(context)
  expect(contextOf(TOKEN)).toEqual({})
})

test.each([
  ['false', false],
  ['true', true],
  ['True', true],
  [false, false],
  [true, true],
])('need_patient_banner may be written as %j', (written, banner) => {
  expect(contextOf({ need_patient_banner: written })).toEqual({ need_patient_banner: banner })
})

test.each<[string, Record<string, unknown>]>([
  ['a patient that is no id', { patient: 7 }],
  ['an encounter that is no id', { encounter: ['e1'] }],
  ['a banner that is neither', { need_patient_banner: 'perhaps' }],
  ['more than anybody says', { custom: 'x'.repeat(17_000) }],
])('%s makes the reply malformed', (_, body) => {
  expect(() => contextOf(body)).toThrow(
    expect.objectContaining({ code: 'upstream_reply_malformed' }),
  )
})

test('a member that should be text is text, or is not there', () => {
  expect([textIn({ a: 'x' }, 'a'), textIn({ a: '' }, 'a'), textIn({}, 'a')]).toEqual([
    'x',
    null,
    null,
  ])
  let code: string | undefined
  try {
    textIn({ a: 1 }, 'a')
  } catch (error) {
    code = asBrokerError(error).code
  }
  expect(code).toBe('upstream_reply_malformed')
})
