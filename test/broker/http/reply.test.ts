import fastify from 'fastify'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { BrokerError, ERRORS, type ErrorCode } from '../../../broker/errors.ts'
import { logError, sendError } from '../../../broker/http/reply.ts'

async function replyTo(error: BrokerError) {
  const app = fastify()
  app.get('/', (_, reply) => sendError(reply, error))
  return app.inject('/')
}

test.each(Object.keys(ERRORS) as ErrorCode[])(
  '%s shows its status and code, and none of its facts',
  async code => {
    const reply = await replyTo(
      new BrokerError(code, { hidden: 'MARK' }, { cause: new Error('MARK') }),
    )
    expect(reply.statusCode).toBe(ERRORS[code].status)
    expect(reply.json().error).toBe(ERRORS[code].oauth)
    expect(reply.body).not.toContain('MARK')
  },
)

describe('the log', () => {
  const logged = (error: BrokerError): string => {
    let text = ''
    logError(
      pino(
        { level: 'trace' },
        {
          write: line => {
            text += line
          },
        },
      ),
      error,
    )
    return text
  }

  test('has the facts of trouble with an EHR', () => {
    expect(logged(new BrokerError('upstream_timeout', { upstream: 'ehr' }))).toContain(
      '"upstream":"ehr"',
    )
  })

  test('has where a bug is, and not what was being read', () => {
    const text = logged(new BrokerError('internal', {}, { cause: new Error('MARK') }))
    expect(text).toContain('reply.test.ts')
    expect(text).not.toContain('MARK')
  })

  test('is not filled by callers', () => {
    expect(logged(new BrokerError('secret_wrong'))).toBe('')
    expect(logged(new BrokerError('scope_not_granted'))).toBe('')
  })
})
