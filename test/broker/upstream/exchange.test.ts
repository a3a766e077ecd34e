import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BrokerError } from '../../../broker/errors.ts'
import type { Signer } from '../../../broker/upstream/assertion.ts'
import { exchangeWith } from '../../../broker/upstream/exchange.ts'
import { movedClock } from '../../support/clock.ts'
import { upstream } from '../../support/upstream.ts'
import { COVERAGE, makeWorld, PATIENT, type World } from '../../support/world.ts'

let world: World
beforeAll(async () => {
  world = await makeWorld()
})
afterAll(() => world.close())

const signer: Signer = {
  ...{ kid: 'kid', thumbprint: 'print' },
  alg: 'ES384',
  signJwt: async (): Promise<string> => 'header.payload.signature',
}

const exchange = (
  post: (form: URLSearchParams, url: string) => unknown,
  signJwt = signer.signJwt,
) => {
  let jti = 0
  return exchangeWith({
    heed: async () => {},
    clock: movedClock().clock,
    newJti: () => `jti-${jti++}`,
    ...{ onDate: () => {}, onSigning: () => {}, onAnswer: () => {} },
    signerFor: () => ({ ...signer, signJwt }),
    postFor: () => async (url, form) => {
      await post(form, url)
      return {
        status: 200,
        type: 'application/json',
        text: '{"access_token":"t","token_type":"bearer"}',
        ...{ date: null, retryAfter: null },
      }
    },
  })
}

test('what is revoked elsewhere is known before a key is chosen, and the key that signs is told before it does', async () => {
  const told: string[] = []
  const signJwt = async (): Promise<string> => {
    told.push('sign')
    return 'header.payload.signature'
  }
  await exchangeWith({
    heed: async () => {
      await Promise.resolve()
      told.push('heed')
    },
    ...{ clock: movedClock().clock, newJti: () => 'jti', onDate: () => {}, onAnswer: () => {} },
    signerFor: () => {
      told.push('signerFor')
      return { ...signer, signJwt }
    },
    onSigning: () => void told.push('onSigning'),
    postFor: () => () => Promise.reject(new Error('sent')),
  })(upstream(), [PATIENT]).catch(() => {})
  expect(told).toEqual(['heed', 'signerFor', 'onSigning', 'sign'])
})

test('the form is that of RFC 7523 §2.2, sent to the URL that is its audience', async () => {
  const sent: { form: Record<string, string>; url: string }[] = []
  const read = (form: URLSearchParams, url: string) =>
    sent.push({ form: Object.fromEntries(form), url })
  await exchange(read)(upstream(), [PATIENT, COVERAGE])
  expect(sent).toEqual([
    {
      url: 'https://ehr.example.com/oauth2/token',
      form: {
        grant_type: 'client_credentials',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: 'header.payload.signature',
        scope: `${PATIENT} ${COVERAGE}`,
      },
    },
  ])
})

test('every attempt has an assertion of its own', async () => {
  const claims: unknown[] = []
  const sign: Signer['signJwt'] = async (_, each) => {
    claims.push(each['jti'])
    return 'jwt'
  }
  const attempt = exchange(() => {}, sign)
  await attempt(upstream(), [PATIENT])
  await attempt(upstream(), [PATIENT])
  expect(claims).toEqual(['jti-0', 'jti-1'])
})

describe('an error says at which upstream and with which key, and nothing of the assertion', () => {
  test('when the EHR refuses', async () => {
    const error = await exchange(() => {
      throw new BrokerError('upstream_timeout')
    })(upstream(), [PATIENT]).catch(thrown => thrown)
    expect(error).toMatchObject({
      code: 'upstream_timeout',
      facts: { upstream: 'ehr', kid: 'kid' },
    })
    expect(JSON.stringify(error.facts)).not.toContain('signature')
  })

  test('when the key cannot sign', async () => {
    const broken = async () => {
      throw new Error('token removed')
    }
    await expect(exchange(() => {}, broken)(upstream(), [PATIENT])).rejects.toMatchObject({
      code: 'signing_failed',
    })
  })
})

test('the local Epic accepts what is sent, and refuses the same assertion a second time', async () => {
  let replay: URLSearchParams | null = null
  await world.ask()
  expect(world.epic.log.at(-1)?.reason).toBe('granted')
  world.epic.faults.push(request => {
    replay = new URLSearchParams(String(request.body))
    return { access_token: 't', token_type: 'bearer', expires_in: 31 }
  })
  world.clock.advance(4000)
  await world.ask()
  const assertion = new URLSearchParams(replay ?? '').get('client_assertion') ?? ''
  expect(decodeJwt(assertion).aud).toBe(world.epic.tokenUrl)
  const { Agent, request } = await import('undici')
  const dispatcher = new Agent({ connect: { ca: world.ca } })
  const send = async () => {
    const { body } = await request(world.epic.tokenUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(replay ?? '').toString(),
      dispatcher,
    })
    await body.dump()
    return world.epic.log.at(-1)?.reason
  }
  expect([await send(), await send()]).toEqual(['granted', 'jti_replayed'])
  await dispatcher.close()
})

describe('what the EHR says of the key is told, after the signature was', () => {
  const told = async (thrown: BrokerError | null) => {
    const lines: string[] = []
    const ask = exchangeWith({
      heed: async () => {},
      ...{ clock: movedClock().clock, newJti: () => 'jti', onDate: () => {} },
      signerFor: () => ({
        ...signer,
        signJwt: async () => {
          lines.push('signed')
          return 'jwt'
        },
      }),
      onSigning: (_, { thumbprint }) => lines.push(`signing ${thumbprint}`),
      onAnswer: (_, { thumbprint }, answer) => lines.push(`${answer} ${thumbprint}`),
      postFor: () => async () => {
        if (thrown) throw thrown
        const text = '{"access_token":"t","token_type":"bearer"}'
        return { status: 200, type: 'application/json', text, date: null, retryAfter: null }
      },
    })
    await ask(upstream(), [PATIENT]).catch(() => {})
    return lines
  }

  test.each<[BrokerError | null, string]>([
    [null, 'accepted'],
    [new BrokerError('upstream_invalid_client', { status: 400 }), 'refused'],
    [new BrokerError('upstream_refused', { status: 401 }), 'refused'],
    [new BrokerError('upstream_refused', { status: 403 }), 'answered'],
    [new BrokerError('upstream_unauthorized_client', { status: 400 }), 'answered'],
    [new BrokerError('upstream_invalid_scope', { status: 400 }), 'answered'],
    [new BrokerError('upstream_life_too_short', { status: 200 }), 'answered'],
    [new BrokerError('upstream_timeout'), 'silent'],
    [new BrokerError('upstream_unavailable', { status: 503 }), 'silent'],
    [new BrokerError('upstream_rate_limited', { status: 429 }), 'silent'],
    [new BrokerError('upstream_not_json', { status: 200 }), 'silent'],
    [new BrokerError('upstream_redirected', { status: 302 }), 'silent'],
    [new BrokerError('upstream_tls_failed'), 'silent'],
  ])('%s is %s', async (thrown, answer) => {
    expect(await told(thrown)).toEqual(['signing print', 'signed', `${answer} print`])
  })
})
