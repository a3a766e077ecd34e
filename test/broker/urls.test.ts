import { expect, test } from 'vitest'
import { isLoopback, isSafeUrl, sameBase } from '../../broker/urls.ts'

test.each([
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['localhost', true],
  ['::1', true],
  ['0.0.0.0', false],
  ['127.example.com', false],
  ['127.999.1.1', false],
  ['localhost.example.com', false],
])('%s is a loopback address: %s', (host, expected) => {
  expect(isLoopback(host)).toBe(expected)
})

test('a base URL is compared after normalisation', () => {
  expect(sameBase('HTTPS://Ehr.example.com:443/a/../FHIR/')).toBe('https://ehr.example.com/FHIR')
  expect(sameBase('::')).toBeNull()
})

test.each([
  ['https://ehr.example.com/', true],
  ['http://127.0.0.1:8080/', true],
  ['http://[::1]/', true],
  ['http://ehr.example.com/', false],
  ['ftp://127.0.0.1/', false],
])('%s may carry what we send: %s', (url, expected) => {
  expect(isSafeUrl(new URL(url))).toBe(expected)
})
