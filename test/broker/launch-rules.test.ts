import { describe, expect, test } from 'vitest'
import type { ConfigFile } from '../../broker/config-schema.ts'
import { launchRules } from '../../broker/launch-rules.ts'

type LaunchFile = NonNullable<ConfigFile['launch']>
type TargetFile = NonNullable<ConfigFile['upstreams'][string]['launch']>

const LAUNCH: LaunchFile = {
  listen: { port: 1 },
  publicUrl: 'https://launch.example.com',
  sealKeys: ['seal'],
}
const TARGET: TargetFile = {
  authorizationEndpoint: 'https://ehr.example.com/authorize',
  scopes: ['patient/Patient.read'],
}
const SERVICE = { service: 'scheduling', returnUrl: 'https://scheduling.example.com/back' }

function placesOf(
  launch: Partial<LaunchFile> | undefined,
  target: Partial<TargetFile> = {},
  more: object = {},
): string[] {
  const file = {
    ...{ launch: launch && { ...LAUNCH, ...launch }, services: { scheduling: {} } },
    upstreams: { epic: { launch: { ...TARGET, ...target } } },
    ...more,
  }
  return launchRules(file as unknown as ConfigFile).map(each => each.at)
}

test('launch routes that are as they should be are taken', () => {
  expect(placesOf({})).toEqual([])
  const embedded = { embedded: true, origins: ['https://ehr.example.com'], offline: true }
  expect(placesOf({}, { ...SERVICE, ...embedded, issuer: 'https://ehr.example.com' })).toEqual([])
  expect(placesOf({ publicUrl: 'http://127.0.0.1:8410' })).toEqual([])
})

describe('is refused', () => {
  const epic = (place: string): string[] => [`/upstreams/epic/launch${place}`]

  test.each<[string, Partial<LaunchFile>, string]>([
    ['a listener for others in clear', { listen: { port: 1, host: '0.0.0.0' } }, '/listen/host'],
    ['a public URL with a path', { publicUrl: 'https://a.example/oauth' }, '/publicUrl'],
    ['a public URL with a slash', { publicUrl: 'https://a.example/' }, '/publicUrl'],
    ['a public URL in clear', { publicUrl: 'http://a.example' }, '/publicUrl'],
    ['a public URL that is none', { publicUrl: 'a.example' }, '/publicUrl'],
  ])('%s', (_, launch, place) => {
    expect(placesOf(launch)).toEqual([`/launch${place}`])
  })

  test('a user’s side without launch routes', () => {
    expect(placesOf(undefined)).toEqual(epic(''))
  })

  test('a file of connections beside a shared store', () => {
    const shared = { sharedCache: { url: 'redis://127.0.0.1' } }
    expect(placesOf({ store: 'x.db' }, {}, shared)).toEqual(['/launch/store'])
  })

  test.each<[string, Partial<TargetFile>, string]>([
    [
      'an authorization endpoint in clear',
      { authorizationEndpoint: 'http://ehr.example.com/authorize' },
      '/authorizationEndpoint',
    ],
    [
      'one with a fragment',
      { authorizationEndpoint: 'https://ehr.example.com/a#b' },
      '/authorizationEndpoint',
    ],
    ['an issuer that is no URL', { issuer: 'epic' }, '/issuer'],
    ['a scope of services', { scopes: ['system/Patient.read'] }, '/scopes/0'],
    ['offline_access by the back door', { scopes: ['offline_access'] }, '/scopes'],
    ['frames of nobody', { embedded: true }, '/origins'],
    ['origins that may not frame', { origins: ['https://ehr.example.com'] }, '/origins'],
    [
      'an origin with a path',
      { embedded: true, origins: ['https://ehr.example.com/app'] },
      '/origins/0',
    ],
    ['any origin', { embedded: true, origins: ['*'] }, '/origins/0'],
    ['a service without a way back', { service: 'scheduling' }, '/returnUrl'],
    ['a way back to nobody', { returnUrl: SERVICE.returnUrl }, '/returnUrl'],
    ['a service that there is not', { ...SERVICE, service: 'billing' }, '/service'],
    ['a way back in clear', { ...SERVICE, returnUrl: 'http://a.example/back' }, '/returnUrl'],
    [
      'a way back with a code',
      { ...SERVICE, returnUrl: 'https://a.example/?code=1' },
      '/returnUrl',
    ],
  ])('%s', (_, target, place) => {
    expect(placesOf({}, target)).toEqual(epic(place))
  })
})
