import { expect, test } from 'vitest'
import { codeOf, importsOf, sourceFiles } from './source.ts'

/** Who touches the world, kind by kind. Everyone else gets it as an argument. A longer list is a decision to make. */
const imports =
  (...names: RegExp[]) =>
  (file: string) =>
    importsOf(file).some(
      each =>
        !each.isType && names.some(name => name.test(each.specifier)) && !isCalculation(each.names),
    )
const uses = (pattern: RegExp) => (file: string) => pattern.test(codeOf(file))

/** Of node:net, what looks at the text of an address and at no network. */
const isCalculation = (names: string[]): boolean =>
  names.length > 0 && names.every(name => ['isIP', 'isIPv4', 'isIPv6', 'BlockList'].includes(name))

const touching = (how: (file: string) => boolean): string[] => sourceFiles().filter(how)

test('files', () => {
  expect(touching(imports(/^node:fs/))).toEqual([
    'broker/access/fetch-keys.ts',
    'broker/audit.ts',
    'broker/config-files.ts',
    'broker/config.ts',
    'broker/files.ts',
    'broker/fingerprint.ts',
    'broker/http/dashboard-routes.ts',
    'broker/keys/make-key.ts',
    'broker/keys/put-away.ts',
    'broker/keys/signing-keys.ts',
    'broker/keys/state-file.ts',
    'broker/unix-socket.ts',
    'keys-pipeline/built-site.ts',
    'keys-pipeline/generate.ts',
    'keys-pipeline/private-key.ts',
    'keys-pipeline/read-log.ts',
    'keys-pipeline/read.ts',
    'keys-pipeline/reload.ts',
    'keys-pipeline/serve.ts',
    'keys-pipeline/settings.ts',
    'keys-pipeline/write.ts',
  ])
})

test('network', () => {
  expect(
    touching(
      imports(
        /^undici$/,
        /^node:(net|http|https|tls|dns|dns\/promises|dgram)$/,
        /^fastify$/,
        /^redis$/,
        /\/load-redis\.ts$/,
      ),
    ),
  ).toEqual([
    'broker/admin-client.ts',
    'broker/http/admin.ts',
    'broker/http/listener.ts',
    'broker/http/metrics-listener.ts',
    'broker/keys/ways.ts',
    'broker/launch/redis-shelf.ts',
    'broker/tokens/redis-store.ts',
    'broker/unix-socket.ts',
    'broker/upstream/connections.ts',
    'broker/upstream/fhir-client.ts',
    'broker/upstream/token-endpoint.ts',
    'keys-pipeline/doctor/handshake.ts',
    'keys-pipeline/doctor/probe.ts',
    'keys-pipeline/published.ts',
    'keys-pipeline/serve.ts',
  ])
  expect(touching(uses(/(?<!const )\bfetch\((?!key)|\bWebSocket\b/))).toEqual([])
})

test('time', () => {
  expect(
    touching(
      uses(
        /Date\.now|new Date\(\)|performance\.now|setTimeout\(|setInterval\(|AbortSignal\.timeout/,
      ),
    ),
  ).toEqual([
    'broker/cli.ts',
    'broker/clock.ts',
    'broker/main.ts',
    'broker/schedule.ts',
    'broker/traces.ts',
    'broker/upstream/fhir-client.ts',
    'broker/upstream/token-endpoint.ts',
    'keys-pipeline/cli.ts',
    'keys-pipeline/github/client.ts',
    'keys-pipeline/published.ts',
  ])
})

test('chance', () => {
  expect(
    touching(uses(/Math\.random|randomUUID|randomBytes|getRandomValues|generateKeyPair/)),
  ).toEqual([
    'broker/app.ts',
    'broker/cli.ts',
    'broker/examine-upstream.ts',
    'broker/http/listener.ts',
    'broker/main.ts',
    'broker/tokens/sharing.ts',
    'keys-pipeline/dev-site.ts',
    'keys-pipeline/key-pair.ts',
  ])
})

test('other programs, workers and code made of text: nobody', () => {
  expect(touching(imports(/^node:(child_process|worker_threads|cluster|vm)$/))).toEqual([])
  expect(touching(uses(/\beval\(|new Function\(/))).toEqual([])
})

test('databases', () => {
  expect(touching(imports(/^node:sqlite$/))).toEqual([
    'broker/keys/state-file.ts',
    'broker/launch/sqlite-shelf.ts',
  ])
})

test('schedules: one file, which only calls', () => {
  expect(touching(imports(/^node-cron$/))).toEqual(['broker/schedule.ts'])
})

test('libraries of the machine that are no part of Node: one file, which loads them when they are asked for', () => {
  expect(touching(uses(/pkcs11js|\bdlopen\b|\.node['"`]/))).toEqual(['broker/pkcs11/cryptoki.ts'])
})
