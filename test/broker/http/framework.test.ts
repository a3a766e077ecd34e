import type { FastifyError } from 'fastify'
import { expect, test } from 'vitest'
import { frameworkFault } from '../../../broker/http/framework.ts'

test.each([
  [{ code: 'FST_ERR_CTP_BODY_TOO_LARGE', statusCode: 413 }, 'body_too_large'],
  [{ code: 'FST_ERR_CTP_INVALID_MEDIA_TYPE', statusCode: 415 }, 'content_type_wrong'],
  [{ code: 'FST_ERR_CTP_INVALID_CONTENT_LENGTH', statusCode: 400 }, 'body_unreadable'],
  [{ code: 'FST_ERR_SOMETHING', statusCode: 500 }, 'internal'],
  [{ code: 'ECONNRESET' }, 'internal'],
])('%j is %s', (thrown, code) => {
  expect(frameworkFault(thrown as FastifyError).code).toBe(code)
})
