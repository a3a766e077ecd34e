import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { readConfig } from '../../../broker/config.ts'
import { firstConfig, SANDBOXES } from '../../../broker/init.ts'
import { LocalEpic } from '../../sandbox/local-epic.ts'
import { type Authority, makeAuthority } from '../../support/certificates.ts'
import { json, serveTenants, status, type Tenants } from '../../support/hospitals.ts'
import { folderWith } from '../../support/keys.ts'
import { BROKER_CLI, type Finished, run } from '../../support/processes.ts'

let authority: Authority
let epic: LocalEpic
let tenants: Tenants
let folder: string
beforeAll(async () => {
  authority = await makeAuthority()
  epic = await new LocalEpic({ tls: await authority.issue(), ca: authority.ca }).start()
  tenants = await serveTenants(await authority.issue())
})
afterAll(async () => {
  await epic.stop()
  await tenants.close()
})
beforeEach(() => {
  folder = folderWith({ 'ca.pem': authority.ca, 'empty.pem': '' })
  tenants.answers.clear()
  tenants.hold = 1
})

const discover = (...args: string[]): Promise<Finished> =>
  run(BROKER_CLI, ['discover', ...args], { cwd: folder })
const baseOf = (id: string): string => `${tenants.origin}/${id}/r4`

describe('one FHIR base', () => {
  test('gives lines that a config takes as they are', async () => {
    const { code, stdout, stderr } = await discover(
      epic.fhirBase,
      '--client-id',
      'our-app',
      '--profile',
      'epic',
      '--ca',
      'ca.pem',
    )
    expect(code).toBe(0)
    expect(stderr).toContain(epic.tokenUrl)
    const {
      upstreams: _,
      services: __,
      ...rest
    } = parse(firstConfig(SANDBOXES.epic, 'ab'.repeat(32), '/keys'))
    const path = join(folder, 'broker.yaml')
    writeFileSync(path, `${stringify({ ...rest, services: {} })}${stdout}`)
    expect([...readConfig(path).upstreams.values()]).toMatchObject([
      { id: 'localhost', tokenEndpoint: epic.tokenUrl, clientId: 'our-app', profileName: 'epic' },
    ])
    expect(epic.discoveries.at(-1)).toBe('our-app')
  })

  test('gives one document to a script', async () => {
    const { code, stdout, stderr } = await discover(epic.fhirBase, '--ca', 'ca.pem', '--json')
    expect([code, stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout)).toMatchObject({
      fhirBase: epic.fhirBase,
      tokenEndpoint: epic.tokenUrl,
      warnings: [],
    })
  })

  test('tells what is odd', async () => {
    tenants.answers.set(
      '/odd/r4',
      json({ token_endpoint: '/t', grant_types_supported: ['\u001b[2J'] }),
    )
    const { code, stderr } = await discover(baseOf('odd'), '--ca', 'ca.pem')
    expect(code).toBe(0)
    expect(stderr).toContain('(token_endpoint_relative)')
    expect(stderr).toContain('(grant_type_unlisted)')
    expect(stderr).toMatch(/^[\x20-\x7e\n]+$/)
  })

  test('wants to hear that a host of another domain is right', async () => {
    tenants.answers.set('/far/r4', json({ token_endpoint: 'https://token.example.org/t' }))
    const refused = await discover(baseOf('far'), '--ca', 'ca.pem')
    expect([refused.code, refused.stdout]).toEqual([1, ''])
    expect(refused.stderr).toMatch(/discovery_other_domain; host token\.example\.org/)
    const taken = await discover(baseOf('far'), '--ca', 'ca.pem', '--accept', 'TOKEN.example.org')
    expect([taken.code, parse(taken.stdout).upstreams.localhost.tokenEndpoint]).toEqual([
      0,
      'https://token.example.org/t',
    ])
  })

  test.each<[string, string[], number, RegExp]>([
    ['does not exist', ['https://localhost:1/r4'], 1, /upstream_unreachable/],
    ['is not https', ['http://ehr.example.com/r4'], 1, /fhir_base_unusable/],
    ['is no URL', ['r4'], 1, /fhir_base_unusable/],
    ['has a certificate of nobody', ['BASE'], 1, /upstream_tls_failed/],
    ['has a file of no authorities', ['BASE', '--ca', 'empty.pem'], 1, /file_unreadable/],
    ['has no file of authorities', ['BASE', '--ca', 'nowhere.pem'], 1, /file_unreadable.*ENOENT/],
    ['is not named', [], 2, /--config/],
    ['is named beside a config', ['BASE', '--config', 'broker.yaml'], 2, /--config/],
    ['comes with a host that is a URL', ['BASE', '--accept', 'https://x'], 2, /--accept/],
    ['comes with a client ID that is no header', ['BASE', '--client-id', 'a\nb'], 2, /--client-id/],
    ['comes with scopes that are none', ['BASE', '--scopes', '"'], 2, /--scopes/],
    ['comes with no time', ['BASE', '--deadline', '0'], 2, /--deadline/],
    ['comes with a vendor of nobody', ['BASE', '--profile', 'constructor'], 2, /--profile/],
  ])('that %s: the exit status says so', async (_, args, code, expected) => {
    const ended = await discover(...args.map(each => (each === 'BASE' ? baseOf('a') : each)))
    expect([ended.code, ended.stdout]).toEqual([code, ''])
    expect(ended.stderr).toMatch(expected)
    expect(ended.stderr).not.toMatch(/^ {4}at /m)
  })
})

describe('a config', () => {
  function configOf(ids: readonly string[], more: object = {}): void {
    const { upstreams, ...rest } = parse(firstConfig(SANDBOXES.epic, 'ab'.repeat(32), '/keys'))
    const upstream = (id: string) => ({
      ...upstreams['epic-sandbox'],
      ...{ clientId: `app-${id}`, fhirBase: baseOf(id), ca: 'ca.pem' },
      tokenEndpoint: tenants.tokenEndpoint(`/${id}/r4`),
    })
    const all = Object.fromEntries(ids.map(id => [id, upstream(id)]))
    const file = { ...rest, services: {}, upstreams: { ...all, ...more } }
    writeFileSync(join(folder, 'broker.yaml'), stringify(file))
  }
  const off = {
    ...SANDBOXES.epic,
    clientId: 'x',
    environment: 'production',
    scopes: ['a'],
    enabled: false,
    reason: 'x',
  }

  test('that is as the EHRs say exits with 0; what is switched off is not asked', async () => {
    const { upstream: _, ...disabled } = off
    configOf(['a', 'b', 'c'], { disabled })
    const before = tenants.asked.length
    const { code, stdout } = await discover('--config', 'broker.yaml')
    expect([code, tenants.asked.length - before]).toEqual([0, 3])
    expect(stdout).toContain('3 of 3 say what is pinned; 1 are switched off')
  })

  test('from which an EHR differs, or does not answer, exits with 1 and names it', async () => {
    configOf(['same', 'moved', 'silent'])
    tenants.answers.set('/moved/r4', json({ token_endpoint: 'https://evil.example.org/t' }))
    tenants.answers.set('/silent/r4', status(503))
    const { code, stdout } = await discover('--config', 'broker.yaml')
    expect(code).toBe(1)
    expect(stdout).toMatch(
      /^changed +moved: .*moved\/oauth2\/token\n +it says https:\/\/evil\.example\.org\/t$/m,
    )
    expect(stdout).toMatch(/^unknown +silent: .*\(upstream_unavailable; status 503\)$/m)
    expect(stdout).not.toMatch(/^\w+ +same/m)
    const { upstreams } = JSON.parse((await discover('--config', 'broker.yaml', '--json')).stdout)
    expect(upstreams).toMatchObject([
      { id: 'same', state: 'same', now: null, code: null },
      { id: 'moved', state: 'changed', now: 'https://evil.example.org/t' },
      { id: 'silent', state: 'unknown', code: 'upstream_unavailable' },
    ])
  })

  test('is asked four at a time, and never five', async () => {
    configOf(Array.from({ length: 20 }, (_, at) => `h${at}`))
    tenants.hold = 4
    expect((await discover('--config', 'broker.yaml')).code).toBe(0)
    configOf(['a', 'b', 'c', 'd', 'e'])
    tenants.hold = 5
    expect((await discover('--config', 'broker.yaml', '--deadline', '1')).code).toBe(1)
    expect(tenants.most()).toBe(4)
  })

  test('that is no config exits with 1 and says what is wrong', async () => {
    writeFileSync(join(folder, 'broker.yaml'), 'issuer: x\n')
    const { code, stderr } = await discover('--config', 'broker.yaml')
    expect([code, stderr.split('\n')[0]]).toEqual([
      1,
      expect.stringMatching(/broker\.yaml: 1 complaint$/),
    ])
  })
})
