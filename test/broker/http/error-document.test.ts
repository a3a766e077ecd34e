import { expect, test } from 'vitest'
import { BrokerError, ERRORS, type ErrorCode } from '../../../broker/errors.ts'
import {
  ErrorBody,
  errorReplies,
  REPORT_CODES,
  TOKEN_CODES,
} from '../../../broker/http/error-document.ts'
import { codeOf, sourceFiles } from '../../house/source.ts'

const shown = (codes: readonly ErrorCode[]): string[] => [
  ...new Set(codes.map(code => new BrokerError(code).shownCode)),
]

/** What code that runs behind the service listener names as a code, wherever it does. */
const LISTENER =
  /^broker\/(http|access|tokens|upstream|keys|launch)\/|^broker\/((issue|report)-token|decide|exchange-connection|redeem-code)/
const NOT_ITS =
  /http\/(admin|key-routes|order-scope|launch-)|upstream\/(discovery|fhir-)|keys\/(state-file|put-away)|launch\/(answer|finish|front|id-token|issuers|logins)/
const ROTATION = /keys\/(carry-out|make-key|orders|publish|replica|withdraw)/
const named = sourceFiles()
  .filter(file => LISTENER.test(file) && !NOT_ITS.test(file) && !ROTATION.test(file))
  .filter(file => !file.endsWith('error-document.ts'))
  .flatMap(file => [...codeOf(file).matchAll(/'([a-z_]+)'/g)].map(([, text = '']) => text))
const reached = (Object.keys(ERRORS) as ErrorCode[]).filter(code => named.includes(code))

test('every code that the listener can show is in the document, and no other', () => {
  expect(reached.length).toBeGreaterThan(50)
  // In the audit alone; of the other listener, which answers errors by the same function; and turned into another.
  const elsewhere = ['token_unknown', 'operator_refused', 'upstream_invalid_grant']
  expect([...ErrorBody.properties.code.enum].sort()).toEqual(
    shown(reached.filter(code => !elsewhere.includes(code))).sort(),
  )
})

test('a code that two must look alike behind is never named', () => {
  const hidden = Object.entries(ERRORS).filter(([, row]) => 'shownAs' in row)
  const text = JSON.stringify([ErrorBody, errorReplies(TOKEN_CODES), errorReplies(REPORT_CODES)])
  expect(hidden.length).toBeGreaterThan(10)
  expect(hidden.filter(([code]) => text.includes(`"${code}"`))).toEqual([])
})

test('each code stands under its status, with the very body that it is answered with', () => {
  const replies = Object.entries(errorReplies(TOKEN_CODES)) as [string, Told][]
  const examples = replies.flatMap(([status, { content }]) =>
    Object.values(content['application/json'].examples).map(({ value }) => [status, value.code]),
  )
  expect(examples.length).toBe(shown(TOKEN_CODES).length)
  for (const [status, code] of examples) {
    const row = Object.entries(ERRORS).find(
      ([each]) => new BrokerError(each as ErrorCode).shownCode === code,
    )
    expect(`${row?.[1].status}`).toBe(status)
  }
})
interface Told {
  content: Record<'application/json', { examples: Record<string, { value: { code: string } }> }>
}

test('a report can fail for its form, its sender and us, and never for an EHR or a grant', () => {
  const blamed = new Set(REPORT_CODES.map(code => ERRORS[code].blame))
  expect(blamed.has('upstream')).toBe(false)
  expect(REPORT_CODES).toContain('token_missing')
  expect(TOKEN_CODES).not.toContain('token_missing')
  expect(REPORT_CODES.filter(code => /^(grant|target|scope)_/.test(code))).toEqual([])
})
