import Type from 'typebox'
import { Value } from 'typebox/value'
import { expect, test } from 'vitest'
import { formOf, SECURITY, SECURITY_SCHEMES } from '../../../broker/http/form-document.ts'

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const form = formOf({ token: Type.String() })

test.each<[string, object, boolean]>([
  ['nothing, as with Basic or a certificate', {}, true],
  ['an id and a secret', { client_id: 'a', client_secret: 's' }, true],
  ['a secret of nobody', { client_secret: 's' }, false],
  ['an assertion with its type', { client_assertion: 'e.y.J', client_assertion_type: TYPE }, true],
  ['an assertion without its type', { client_assertion: 'e.y.J' }, false],
  ['an assertion of another type', { client_assertion: 'x', client_assertion_type: 'x' }, false],
  ['a type without an assertion', { client_assertion_type: TYPE }, false],
  ['an id that no service can have', { client_id: 'a b', client_secret: 's' }, false],
])('a form authenticates by %s', (_, credentials, fits) => {
  expect(Value.Check(form, { token: 't', ...credentials })).toBe(fits)
})

test('a form has its own parameters too', () => {
  expect(Value.Check(form, {})).toBe(false)
})

test('each scheme may be used, and none must, since credentials may stand in the form', () => {
  expect(SECURITY.flatMap(each => Object.keys(each))).toEqual(Object.keys(SECURITY_SCHEMES))
  expect(SECURITY).toContainEqual({})
})
