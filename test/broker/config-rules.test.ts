import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { crossCheck, storeUrlRules } from '../../broker/config-rules.ts'
import type { ConfigFile } from '../../broker/config-schema.ts'
import { firstConfig, SANDBOXES } from '../../broker/init.ts'

const ID = 'epic-sandbox'

const config = (
  change: (config: ConfigFile, upstream: ConfigFile['upstreams'][string]) => void,
): ConfigFile => {
  const made: ConfigFile = parse(firstConfig(SANDBOXES.epic, 'ab'.repeat(32), '/keys'))
  const upstream = made.upstreams[ID]
  if (!upstream) throw new Error(ID)
  upstream.clientId = 'client'
  change(made, upstream)
  return made
}

const OFF = { enabled: false, reason: 'contract ended' }

const grant = (made: ConfigFile) => {
  const found = made.services['my-service']?.grants[0]
  if (!found) throw new Error('grant')
  return found
}

describe('is refused', () => {
  test.each<[string, ConfigFile, string]>([
    ['an issuer over http', config(c => (c.issuer = 'http://broker.example.com')), '/issuer'],
    ['an issuer with a path', config(c => (c.issuer = 'https://broker.example.com/x')), '/issuer'],
    [
      'an issuer with a slash at the end',
      config(c => (c.issuer = 'https://broker.example.com/')),
      '/issuer',
    ],
    [
      'loaded keys without their kids',
      config((_, u) => Object.assign(u, { keySource: 'pinned' })),
      `/upstreams/${ID}/pinnedKids`,
    ],
    [
      'kids of loaded keys where the URL is fetched',
      config((_, u) => Object.assign(u, { pinnedKids: ['kid'] })),
      `/upstreams/${ID}/pinnedKids`,
    ],
    ['an issuer that is no URL', config(c => (c.issuer = 'broker')), '/issuer'],
    [
      'one client ID with two scope lists',
      config((c, u) =>
        Object.assign(c.upstreams, {
          twin: { ...u, scopes: ['system/Patient.read', 'system/Task.read'] },
        }),
      ),
      '/upstreams/twin/scopes',
    ],
    [
      'one upstream granted twice',
      config(c => c.services['my-service']?.grants.push({ ...grant(c) })),
      '/services/my-service/grants/1/upstream',
    ],
    [
      'a token endpoint over http',
      config((_, u) => (u.tokenEndpoint = 'http://ehr.example.com/token')),
      `/upstreams/${ID}/tokenEndpoint`,
    ],
    [
      'a token endpoint that would be sent otherwise',
      config((_, u) => (u.tokenEndpoint = 'https://EHR.example.com/token')),
      `/upstreams/${ID}/tokenEndpoint`,
    ],
    [
      'a token endpoint with a user',
      config((_, u) => (u.tokenEndpoint = 'https://a:b@ehr.example.com/token')),
      `/upstreams/${ID}/tokenEndpoint`,
    ],
    [
      'a FHIR base with a fragment',
      config((_, u) => (u.fhirBase = 'https://ehr.example.com/#x')),
      `/upstreams/${ID}/fhirBase`,
    ],
    [
      'an environment without keys',
      config((_, u) => (u.environment = 'production')),
      `/upstreams/${ID}/environment`,
    ],
    [
      'a key set over http',
      config(c => Object.assign(c.keys.nonprod ?? {}, { jwksUrl: 'http://keys.example.com/' })),
      '/keys/nonprod/jwksUrl',
    ],
    [
      'a key set behind a password',
      config(c => Object.assign(c.keys.nonprod ?? {}, { jwksUrl: 'https://a:b@example.com/' })),
      '/keys/nonprod/jwksUrl',
    ],
    [
      'a key set at no URL',
      config(c => Object.assign(c.keys.nonprod ?? {}, { jwksUrl: 'set.json' })),
      '/keys/nonprod/jwksUrl',
    ],
    [
      'an upstream without a token endpoint',
      config((_, u) => delete u.tokenEndpoint),
      `/upstreams/${ID}/tokenEndpoint`,
    ],
    [
      'an upstream switched off without a reason',
      config((_, u) => (u.enabled = false)),
      `/upstreams/${ID}/reason`,
    ],
    [
      'a reason for what is not switched off',
      config((_, u) => (u.reason = 'contract ended')),
      `/upstreams/${ID}/reason`,
    ],
    [
      'the form of what is switched off',
      config((_, u) => Object.assign(u, { ...OFF, fhirBase: 'http://ehr.example.com' })),
      `/upstreams/${ID}/fhirBase`,
    ],
    [
      'a grant beyond the app that is switched off',
      config((c, u) => {
        Object.assign(u, OFF)
        grant(c).scopes = ['system/Patient.read', 'system/Task.read']
      }),
      '/services/my-service/grants/0/scopes',
    ],
    [
      'a grant at an upstream and at a group',
      config(c => Object.assign(grant(c), { labels: { region: 'west' } })),
      '/services/my-service/grants/0',
    ],
    ['a grant at neither', config(c => delete grant(c).upstream), '/services/my-service/grants/0'],
    [
      'a group that nobody is in',
      config(c => {
        delete grant(c).upstream
        grant(c).labels = { region: 'west' }
      }),
      '/services/my-service/grants/0/labels',
    ],
    [
      'a group with an upstream whose app has more than is granted',
      config((c, u) => {
        u.labels = { region: 'west' }
        delete grant(c).upstream
        Object.assign(grant(c), { labels: { region: 'west' }, scopes: ['system/Patient.read'] })
        u.scopes = ['system/Patient.read', 'system/Task.read']
      }),
      '/services/my-service/grants/0/scopes',
    ],
    [
      'a grant at no upstream',
      config(c => (grant(c).upstream = 'nowhere')),
      '/services/my-service/grants/0/upstream',
    ],
    [
      'a grant at a name of Object.prototype',
      config(c => (grant(c).upstream = 'constructor')),
      '/services/my-service/grants/0/upstream',
    ],
    [
      'a grant beyond the app',
      config(c => (grant(c).scopes = ['system/Patient.read', 'system/Task.read'])),
      '/services/my-service/grants/0/scopes',
    ],
    [
      'a grant of less than Epic will give',
      config((_, u) => u.scopes.push('system/Task.read')),
      '/services/my-service/grants/0/scopes',
    ],
  ])('%s', (_, made, at) => {
    expect(crossCheck(made).map(each => each.at)).toEqual([at])
  })
})

describe('is allowed', () => {
  test.each<[string, ConfigFile]>([
    [
      'one client ID under two names with the same scopes',
      config((c, u) => (c.upstreams['twin'] = { ...u, scopes: [...u.scopes] })),
    ],
    [
      'a key set over https',
      config(c => Object.assign(c.keys.nonprod ?? {}, { jwksUrl: 'https://keys.example.com/x' })),
    ],
    [
      'an upstream that is switched off, without a token endpoint or keys, and granted',
      config((_, u) => {
        Object.assign(u, { ...OFF, environment: 'production' })
        delete u.tokenEndpoint
      }),
    ],
    ['an upstream that is on, and says so', config((_, u) => (u.enabled = true))],
    [
      'another scope list for a client ID where it is switched off',
      config((c, u) =>
        Object.assign(c.upstreams, { twin: { ...u, ...OFF, scopes: ['system/Task.read'] } }),
      ),
    ],
    ['an issuer over https', config(c => (c.issuer = 'https://broker.example.com:8443'))],
    [
      'an EHR over http on this machine',
      config((_, u) => (u.tokenEndpoint = 'http://127.0.0.1:1/token')),
    ],
    [
      'a grant of less, where the EHR grants by request',
      config((_, u) =>
        Object.assign(u, { profile: 'smart', scopes: [...u.scopes, 'system/Task.read'] }),
      ),
    ],
    [
      'a grant in SMART v2 of what is registered in v1',
      config(c => (grant(c).scopes = ['system/Patient.rs'])),
    ],
  ])('%s', (_, made) => {
    expect(crossCheck(made)).toEqual([])
  })
})

describe('the shared cache', () => {
  const secrets = ['secret']
  const at = (sharedCache: ConfigFile['sharedCache']): string[] =>
    crossCheck(config(c => Object.assign(c, { sharedCache }))).map(each => each.at)

  test.each<[string, NonNullable<ConfigFile['sharedCache']>, string[]]>([
    ['without a URL', { secrets }, ['/sharedCache']],
    ['with two', { url: 'rediss://a', urlFile: 'f', secrets }, ['/sharedCache']],
    ['with a password in the config', { url: 'rediss://:p@a', secrets }, ['/sharedCache/url']],
    ['in clear elsewhere', { url: 'redis://cache.example.com', secrets }, ['/sharedCache/url']],
    [
      'in clear with authorities',
      { url: 'redis://127.0.0.1', ca: 'ca.pem', secrets },
      ['/sharedCache/ca'],
    ],
  ])('%s is refused', (_, sharedCache, places) => {
    expect(at(sharedCache)).toEqual(places)
  })

  test.each([
    'rediss://cache.example.com:6380/2',
    'rediss://user@cache.example.com',
    'redis://localhost',
    'redis://127.0.0.1:6379/',
    'redis://[::1]:6379/0',
  ])('%s is taken', url => {
    expect(at({ url, secrets })).toEqual([])
  })

  test.each([
    'redis://10.0.0.1',
    'redis://localhost.example.com',
    'redis://127.0.0.1@cache.example.com',
    'http://127.0.0.1',
    'unix:/run/redis.sock',
    'rediss://',
    'rediss:cache',
    'cache.example.com:6379',
    '',
    'redis://127.0.0.1/sessions',
    'rediss://:50%@cache.example.com',
  ])('%s is none of its URLs, and is not repeated', url => {
    const complaints = storeUrlRules(url, '/x', false)
    expect(complaints.map(each => each.at)).toEqual(['/x'])
    expect(complaints[0]?.message).not.toMatch(/50%|sessions|10\.0/)
  })
})
