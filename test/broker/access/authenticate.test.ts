import { describe, expect, test } from 'vitest'
import { authenticateWith } from '../../../broker/access/authenticate.ts'
import { secretHash } from '../../../broker/access/secrets.ts'
import { asBrokerError } from '../../../broker/errors.ts'
import { accessOf, codeOf, presented } from '../../support/callers.ts'
import { movedClock } from '../../support/clock.ts'
import { basic } from '../../support/world.ts'

const access = accessOf({
  billing: { secretSha256: [secretHash('old-secret'), secretHash('new.secret')] },
  keyed: {},
})

const authenticate = authenticateWith({
  clock: movedClock().clock,
  keyFor: async () => {
    throw new Error('no key is needed')
  },
  useOnce: () => {},
  slowDown: (_, work) => work(),
})

const present = (authorization: string | undefined, form: Record<string, string> = {}) =>
  presented({ authorization, form })

describe('a service authenticates', () => {
  test.each([
    ['by Basic', present(basic('billing', 'old-secret')), 'client_secret_basic'],
    [
      'by Basic with its second secret',
      present(basic('billing', 'new.secret')),
      'client_secret_basic',
    ],
    [
      'by Basic in lower case',
      present(basic('billing', 'old-secret').replace('Basic', 'basic')),
      'client_secret_basic',
    ],
    [
      'by Basic, form-encoded as §2.3.1 asks',
      present(basic('billing', 'old%2Dsecret')),
      'client_secret_basic',
    ],
    [
      'by Basic with its own client_id',
      present(basic('billing', 'old-secret'), { client_id: 'billing' }),
      'client_secret_basic',
    ],
    [
      'in the body',
      present(undefined, { client_id: 'billing', client_secret: 'old-secret' }),
      'client_secret_post',
    ],
  ])('%s', async (_, presented, method) => {
    await expect(authenticate(presented, access)).resolves.toEqual({
      ...{ service: 'billing', method, proves: null },
    })
  })
})

describe('a request that does not prove who sends it is refused', () => {
  test.each([
    ['nothing at all', present(undefined), 'credentials_missing'],
    ['an id alone', present(undefined, { client_id: 'billing' }), 'credentials_missing'],
    ['a secret alone', present(undefined, { client_secret: 'old-secret' }), 'credentials_missing'],
    ['a wrong secret', present(basic('billing', 'old-secreT')), 'secret_wrong'],
    ['an empty secret', present(basic('billing', '')), 'credentials_malformed'],
    ['an unknown service', present(basic('nobody', 'old-secret')), 'client_unknown'],
    ['a name of Object.prototype', present(basic('constructor', 'old-secret')), 'client_unknown'],
    [
      'the hash instead of the secret',
      present(basic('billing', secretHash('old-secret'))),
      'secret_wrong',
    ],
    [
      'two methods',
      present(basic('billing', 'old-secret'), { client_secret: 'old-secret' }),
      'auth_methods_several',
    ],
    [
      'another client_id',
      present(basic('billing', 'old-secret'), { client_id: 'other' }),
      'client_id_differs',
    ],
    [
      'an assertion beside a secret',
      present(undefined, {
        client_assertion: 'x',
        client_id: 'billing',
        client_secret: 'old-secret',
      }),
      'auth_methods_several',
    ],
    [
      'an assertion beside Basic',
      present(basic('billing', 'old-secret'), { client_assertion: 'x' }),
      'auth_methods_several',
    ],
    ['an assertion', present(undefined, { client_assertion: 'x.y.z' }), 'credentials_malformed'],
    ['another scheme', present('Bearer abc'), 'credentials_malformed'],
    ['Basic that is not base64', present('Basic !!!'), 'credentials_malformed'],
    [
      'Basic without a colon',
      present(`Basic ${Buffer.from('billing').toString('base64')}`),
      'credentials_malformed',
    ],
    ['Basic with a broken percent', present(basic('billing', '%ZZ')), 'credentials_malformed'],
    ['Basic with NUL', present(basic('billing', 'a\0b')), 'credentials_malformed'],
    [
      'Basic with letters outside the set',
      present(basic('bílling', 'old-secret')),
      'credentials_malformed',
    ],
    [
      'a secret of 257 characters',
      present(basic('billing', 'x'.repeat(257))),
      'credentials_malformed',
    ],
    [
      'a header that begins well',
      present(`${basic('billing', 'old-secret')}, Basic x`),
      'credentials_malformed',
    ],
    ['a secret for a service that has none', present(basic('keyed', 'x')), 'secret_wrong'],
  ])('%s', async (_, presented, code) => {
    expect(await codeOf(() => authenticate(presented, access))).toBe(code)
  })
})

test('unknown and wrong cannot be told apart from outside', async () => {
  const seen = await Promise.all(
    [present(basic('nobody', 'x')), present(basic('billing', 'x'))].map(each =>
      authenticate(each, access).then(() => null, asBrokerError),
    ),
  )
  const shown = seen.map(error => error && [error.shownCode, error.row, error.message])
  expect(shown[0]).not.toBeNull()
  expect(shown[0]).toEqual(shown[1])
})
