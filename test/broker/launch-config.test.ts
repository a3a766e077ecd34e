import { describe, expect, test } from 'vitest'
import type { Complaint } from '../../broker/config-rules.ts'
import type { ConfigFile } from '../../broker/config-schema.ts'
import { settleLaunch } from '../../broker/launch-config.ts'
import { upstream } from '../support/upstream.ts'

function settle(launch: object | undefined, target?: object, secret = Buffer.alloc(32, 1)) {
  const complaints: Complaint[] = []
  const file = {
    ...{ audit: { file: 'audit.ndjson' }, services: {} },
    launch: launch && {
      listen: { port: 8410 },
      ...{ publicUrl: 'https://launch.example.com', sealKeys: ['seal'], ...launch },
    },
    upstreams: { ehr: { ...(target && { launch: target }) } },
  } as unknown as ConfigFile
  const settled = settleLaunch(file, new Map([['ehr', upstream()]]), {
    pathAt: (_, given) => `/etc/lockstep/${given}`,
    readIdentity: named => named,
    readAuthorities: given => given,
    readSecret: () => secret,
    complaints,
  })
  return { settled, at: complaints.map(each => each.at) }
}

const TARGET = { authorizationEndpoint: 'https://ehr.example.com/a', scopes: ['user/Patient.read'] }

describe('the launch routes', () => {
  test('are not there unless the config has them', () => {
    expect(settle(undefined).settled).toBeNull()
  })

  test('keep connections beside the audit, show nothing to debug, and describe no API, if nothing else is said', () => {
    expect(settle({}).settled).toMatchObject({
      ...{ store: '/etc/lockstep/audit-connections.db', debug: false },
      listen: { port: 8410, host: '127.0.0.1', docs: false },
    })
    expect(settle({ store: 'x.db' }).settled?.store).toBe('/etc/lockstep/x.db')
  })

  test('want a seal key of 32 bytes', () => {
    expect(settle({}, TARGET, Buffer.alloc(31)).at).toEqual(['/launch/sealKeys/0'])
  })

  test('are for the upstreams that have a user’s side, under its own client ID', () => {
    expect(settle({}).settled?.targets.size).toBe(0)
    const [own, shared] = [{ ...TARGET, clientId: 'user-app' }, TARGET].map(each =>
      settle({}, each).settled?.targets.get('ehr'),
    )
    expect(own?.upstream.clientId).toBe('user-app')
    expect(shared).toMatchObject({
      ...{ offline: false, origins: null, service: null, issuer: null },
      upstream: { clientId: 'our-client' },
    })
  })
})
