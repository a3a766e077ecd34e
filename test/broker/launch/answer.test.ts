import { describe, expect, test } from 'vitest'
import { asBrokerError } from '../../../broker/errors.ts'
import { codeOf, onceEach } from '../../../broker/launch/answer.ts'

const EHR = { issuer: 'https://ehr.example.com', jwksUri: '', sendsIss: false }

function outcome(query: string, sendsIss = false): string {
  try {
    return codeOf(onceEach(query) ?? new Map(), { ...EHR, sendsIss })
  } catch (error) {
    return asBrokerError(error).code
  }
}

describe('an answer', () => {
  test.each([
    ['with a code', 'code=C&state=S', 'C'],
    ['with a code, of the issuer', 'code=C&iss=https%3A%2F%2Fehr.example.com', 'C'],
    ['of another issuer', 'code=C&iss=https%3A%2F%2Fother.example.com', 'login_issuer_differs'],
    ['of nearly the issuer', 'code=C&iss=https%3A%2F%2Fehr.example.com%2F', 'login_issuer_differs'],
    ['of no issuer at all', 'code=C&iss=', 'login_issuer_differs'],
    ['that the user or the EHR declined', 'error=access_denied', 'login_declined'],
    ['with another error', 'error=server_error&code=C', 'login_failed'],
    ['with nothing', 'state=S', 'login_code_missing'],
    ['with an empty code', 'code=', 'login_code_missing'],
  ])('%s', (_, query, ended) => {
    expect(outcome(query)).toBe(ended)
  })

  test('without iss is refused where the EHR says that it sends one', () => {
    expect(outcome('code=C', true)).toBe('login_issuer_differs')
  })
})

test('what the EHR says is repeated only where it is an error code', () => {
  const said = (error: string) => {
    try {
      codeOf(new Map([['error', error]]), EHR)
      return null
    } catch (thrown) {
      return asBrokerError(thrown).facts['error']
    }
  }
  expect(said('invalid_scope')).toBe('invalid_scope')
  expect(said('<script>alert(1)</script>')).not.toContain('script')
})

test('a parameter that is given twice makes the whole query unreadable', () => {
  expect(onceEach('?state=A&state=B')).toBeNull()
  expect([...(onceEach('?state=A&code=B') ?? [])]).toEqual([
    ['state', 'A'],
    ['code', 'B'],
  ])
})
