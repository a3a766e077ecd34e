import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { DockerfileParser } from 'dockerfile-ast'
import { Deployment } from 'kubernetes-models/apps/v1'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { ConfigMap, Service, ServiceAccount } from 'kubernetes-models/v1'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { askDaemon } from '../../broker/admin-client.ts'
import { readConfig } from '../../broker/config.ts'
import { fingerprintOf } from '../../broker/fingerprint.ts'
import { loadSigners } from '../../broker/signers.ts'
import type { Status } from '../../broker/status.ts'
import { makeAuthority } from '../support/certificates.ts'
import { rsa } from '../support/keys.ts'
import { freePort, PROJECT, run, start } from '../support/processes.ts'

const read = (file: string): string => readFileSync(join(PROJECT, file), 'utf8')
const isRoot = process.getuid?.() === 0
/** The user of the image and of the manifests. */
const UID = 10_001

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-running-'))
  chmodSync(folder, 0o755)
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

/** A volume as Kubernetes lays out a Secret: links to a folder that is swapped whole, root's, read by a group. */
function mountSecret(folder: string, files: Record<string, string>, version = '1'): void {
  const [data, target] = [join(folder, '..data'), join(folder, `..${version}`)]
  mkdirSync(target, { recursive: true })
  for (const [name, text] of Object.entries(files)) {
    const path = join(target, name)
    writeFileSync(path, text)
    if (isRoot) chownSync(path, 0, UID)
    chmodSync(path, isRoot ? 0o440 : 0o400)
    if (!existsSync(join(folder, name))) symlinkSync(join('..data', name), join(folder, name))
  }
  symlinkSync(`..${version}`, `${data}_tmp`)
  renameSync(`${data}_tmp`, data)
}

const pem = (): string => rsa().privatePem

describe('the Dockerfile', () => {
  const file = DockerfileParser.parse(read('Dockerfile'))

  test('runs as somebody who is not root, by number', () => {
    const [user] = file.getInstructions().filter(each => each.getInstruction() === 'USER')
    expect(user?.getArgumentsContent()).toBe(`${UID}:${UID}`)
  })

  test('puts no shell between the signals and the broker', () => {
    for (const each of [...file.getENTRYPOINTs(), ...file.getCMDs()])
      expect(each.getArgumentsContent()).toMatch(/^\[/)
    expect(file.getENTRYPOINTs().length).toBe(1)
  })

  test('has every base image with a version, and brings the Node that the project names', () => {
    const stages = file.getFROMs().map(each => each.getBuildStage())
    const images = file
      .getFROMs()
      .map(each => each.getImage())
      .filter(image => !stages.includes(image))
    expect(new Set(images)).toEqual(new Set(['node:24-trixie-slim']))
    expect(JSON.parse(read('package.json')).engines.node).toBe('>=24')
  })

  test('keeps compiled code where the packages are', () => {
    const kept = file.getENVs().flatMap(each => each.getProperties())
    expect(kept.map(each => [each.getName(), each.getValue()])).toContainEqual([
      'NODE_COMPILE_CACHE',
      '/opt/lockstep/node_modules/.cache/compiled',
    ])
  })

  test('what it copies is let through by .dockerignore, and no key is', () => {
    const sources = file
      .getCOPYs()
      .filter(each => each.getFromFlag() === null)
      .flatMap(each => each.getArguments().slice(0, -1))
      .map(each => each.getValue())
    const ignored = read('.dockerignore').split('\n')
    const top = sources.map(each => each.split('/')[0])
    expect(top.filter(each => !ignored.includes(`!${each}`))).toEqual([])
    expect(ignored).toContain('keys-pipeline/keys')
    expect(ignored.indexOf('*')).toBeLessThan(ignored.indexOf('!broker'))
  })

  test('what it makes starts, as another user, with nothing to write but the two folders', async () => {
    const folder = scratch()
    const image = join(folder, 'image')
    mkdirSync(image)
    for (const each of ['package.json', 'package-lock.json', '.npmrc', 'keys-pipeline', 'broker'])
      cpSync(join(PROJECT, each), join(image, each), { recursive: true })
    rmSync(join(image, 'keys-pipeline', 'keys'), { recursive: true })
    execFileSync('npm', ['ci', '--omit=dev', '--omit=optional', '--prefer-offline'], { cwd: image })
    const NODE_COMPILE_CACHE = join(image, 'node_modules', '.cache', 'compiled')
    const help = await run(join(image, 'broker', 'main.ts'), ['--help'], {
      env: { NODE_COMPILE_CACHE },
    })
    expect(help.code).toBe(0)
    const compiled = readdirSync(NODE_COMPILE_CACHE, { recursive: true })
    execFileSync('chmod', ['-R', 'a-w,a+rX', image])
    const port = await freePort()
    const config = writeConfig(folder, port, await freePort())
    for (const each of ['run', 'var']) {
      mkdirSync(join(folder, each))
      if (isRoot) chownSync(join(folder, each), UID, UID)
    }
    const broker = await start(join(image, 'broker', 'main.ts'), ['--config', config], /ready/, {
      cwd: image,
      ...(isRoot && { uid: UID }),
      env: { NODE_COMPILE_CACHE, NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') },
    })
    const status = (await askDaemon(readConfig(config).admin, '/status')) as Status
    expect(status.upstreams.map(each => each.kid === null)).toEqual([false])
    expect((await broker.stop()).code).toBe(0)
    expect(broker.output()).not.toContain('EROFS')
    expect(compiled.length).toBeGreaterThan(500)
    expect(readdirSync(NODE_COMPILE_CACHE, { recursive: true })).toEqual(compiled)
  })
})

interface Manifest {
  kind: string
  metadata: { name: string }
}

const KINDS = { ConfigMap, Deployment, NetworkPolicy, PodDisruptionBudget, Service, ServiceAccount }
const manifests = parseAllDocuments(read('broker/deploy/kubernetes.yaml'), { merge: true }).map(
  each => each.toJS() as Manifest,
)
const of = <T>(kind: string): T => manifests.find(each => each.kind === kind) as T

/** The ConfigMap's config with its folders below `folder`, and all that it names. */
function writeConfig(folder: string, port = 8443, scraped = 9464): string {
  const { data } = of<{ data: Record<string, string> }>('ConfigMap')
  const text = (data['broker.yaml'] ?? '')
    .replaceAll('/etc/', `${folder}/etc/`)
    .replaceAll('/var/lib/lockstep/', `${folder}/var/`)
    .replaceAll('/run/lockstep/', `${folder}/run/`)
    .replace('port: 8443', `port: ${port}`)
    .replace('port: 9464', `port: ${scraped}`)
    .replaceAll('host: 0.0.0.0', 'host: 127.0.0.1')
  mkdirSync(join(folder, 'etc', 'lockstep'), { recursive: true })
  mountSecret(join(folder, 'etc', 'lockstep-keys'), { 'key.pem': pem() })
  mountSecret(join(folder, 'etc', 'lockstep-tls'), {
    'tls.crt': identity.cert,
    'tls.key': identity.key,
  })
  mountSecret(join(folder, 'etc', 'lockstep-shared'), { 'shared.secret': 'x'.repeat(32) })
  const path = join(folder, 'etc', 'lockstep', 'broker.yaml')
  writeFileSync(path, text)
  return path
}

let identity: { cert: string; key: string }
beforeAll(async () => {
  identity = await (await makeAuthority()).issue()
})

describe('the manifests for Kubernetes', () => {
  test.each(manifests.map(each => [each.kind, each] as const))('%s is one', (kind, manifest) => {
    const Kind = KINDS[kind as keyof typeof KINDS]
    expect(() => new Kind(manifest as never).validate()).not.toThrow()
  })

  test('there is one of each that a team needs', () => {
    expect(manifests.map(each => each.kind).sort()).toEqual(Object.keys(KINDS).sort())
  })

  const { spec } = of<{ spec: { template: { metadata: object; spec: Pod } } }>('Deployment')
  const { containers, securityContext, volumes } = spec.template.spec
  interface Pod {
    containers: Container[]
    securityContext: { runAsNonRoot: boolean; runAsUser: number; fsGroup: number }
    terminationGracePeriodSeconds: number
    volumes: { name: string; secret?: { defaultMode: number } }[]
  }
  interface Probe {
    httpGet: { path: string; port: string; scheme: string }
  }
  interface Container {
    ports: { name: string; containerPort: number }[]
    securityContext: object
    volumeMounts: { name: string; readOnly?: boolean }[]
    readinessProbe: Probe
    livenessProbe: Probe
    startupProbe: Probe
  }
  const [container] = containers

  test('the pod is not root, cannot become it, and writes to what is mounted for it alone', () => {
    expect(securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: UID, fsGroup: UID })
    expect(container?.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    const written = container?.volumeMounts.filter(each => each.readOnly !== true)
    expect(written?.map(each => each.name)).toEqual(['audit', 'run'])
    expect(volumes.flatMap(each => each.secret?.defaultMode ?? [])).toEqual([0o440, 0o440, 0o440])
  })

  test('the pod may take as long to end as the longest upstream', () => {
    const config = readConfig(writeConfig(scratch()))
    const longest = Math.max(...[...config.upstreams.values()].map(each => each.deadline))
    expect(spec.template.spec.terminationGracePeriodSeconds).toBeGreaterThan(longest + 2 + 2 + 5)
  })

  test('the probes ask for what the broker answers, where it listens', () => {
    const { listen, metrics } = readConfig(writeConfig(scratch()))
    expect(container?.ports).toEqual([
      { name: 'https', containerPort: listen.port },
      { name: 'metrics', containerPort: metrics?.port },
    ])
    for (const each of ['readinessProbe', 'startupProbe'] as const)
      expect(container?.[each].httpGet).toEqual({ path: '/readyz', port: 'https', scheme: 'HTTPS' })
    expect(container?.livenessProbe.httpGet.path).toBe('/healthz')
  })

  test('the config of the ConfigMap is one, and its keys are read as Kubernetes mounts them', async () => {
    const folder = scratch()
    const config = readConfig(writeConfig(folder))
    // Kubernetes mounts it read-only, which no mode can open; here root may write into it.
    chmodSync(join(folder, 'etc', 'lockstep-keys'), 0o700)
    const { signers, complaints } = await loadSigners(config)
    expect([complaints, signers.get('production')?.length]).toEqual([[], 1])
    expect(config.issuer).toBe(`https://${of<Manifest>('Service').metadata.name}.default.svc:8443`)
  })

  test('a Secret that Kubernetes swaps is seen', () => {
    const folder = scratch()
    const config = readConfig(writeConfig(folder))
    const before = fingerprintOf(config.sources)
    mountSecret(join(folder, 'etc', 'lockstep-tls'), { 'tls.crt': 'new', 'tls.key': 'new' }, '2')
    const between = fingerprintOf(config.sources)
    mountSecret(join(folder, 'etc', 'lockstep-keys'), { 'key.pem': pem() }, '2')
    expect(new Set([before, between, fingerprintOf(config.sources)]).size).toBe(3)
  })

  test('the labels that select the pods are those that the pods bear', () => {
    const { labels } = spec.template.metadata as { labels: Record<string, string> }
    const selectors = [
      of<{ spec: { selector: object } }>('Service').spec.selector,
      of<{ spec: { selector: { matchLabels: object } } }>('PodDisruptionBudget').spec.selector
        .matchLabels,
      of<{ spec: { podSelector: { matchLabels: object } } }>('NetworkPolicy').spec.podSelector
        .matchLabels,
    ]
    for (const each of selectors) expect(labels).toEqual(each)
  })
})

describe('the systemd unit', () => {
  const unit = join(PROJECT, 'broker', 'deploy', 'lockstep-broker.service')

  test('leaves little open, by systemd’s own reckoning', () => {
    const judged = spawnSync(
      'systemd-analyze',
      ['security', '--offline=true', '--no-pager', '--threshold=15', unit],
      { encoding: 'utf8' },
    )
    expect([judged.status, judged.stderr]).toEqual([0, ''])
    expect(judged.stdout).toMatch(/Overall exposure level/)
  })

  test('starts what is there, and does not start again what a config forbids', () => {
    const lines = readFileSync(unit, 'utf8').split('\n')
    const [started = ''] = lines.filter(each => each.startsWith('ExecStart='))
    const script = /\/opt\/lockstep\/(\S+)/.exec(started)?.[1] ?? ''
    expect(existsSync(join(PROJECT, script))).toBe(true)
    expect(lines).toContain('RestartPreventExitStatus=78')
    expect(lines).toContain('ExecReload=/bin/kill -HUP $MAINPID')
  })
})
