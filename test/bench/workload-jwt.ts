import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SignJWT } from 'jose'
import type { ConfigFile } from '../../broker/config-schema.ts'
import { atLeast, type Bench, type Row } from './bench.ts'
import { SCOPE, startBroker, startEhr } from './brokers.ts'
import { inTurn } from './rounds.ts'
import { serverScript, startServer } from './servers.ts'
import { type Load, wrk } from './wrk.ts'

const SERVICES = 100
const CLUSTER = 'https://kubernetes.default.svc.cluster.local'
const AUDIENCE = 'lockstep'
const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

export const workloadJwt: Bench = {
  name: 'workload-jwt',
  title: `the same with a Kubernetes-style JWT from each of ${SERVICES} services`,
  run: async tell => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const subjectOf = (at: number): string => `system:serviceaccount:clinic:service-${at}`
    const tokens = await Promise.all(
      Array.from({ length: SERVICES }, (_, at) =>
        new SignJWT({
          'kubernetes.io': {
            namespace: 'clinic',
            pod: { name: `service-${at}-0`, uid: crypto.randomUUID() },
            serviceaccount: { name: `service-${at}`, uid: crypto.randomUUID() },
          },
        })
          .setProtectedHeader({ alg: 'RS256', kid: 'cluster' })
          .setIssuer(CLUSTER)
          .setSubject(subjectOf(at))
          .setAudience(AUDIENCE)
          .setIssuedAt()
          .setExpirationTime('1h')
          .sign(privateKey),
      ),
    )
    const change = (file: ConfigFile, folder: string): void => {
      const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'cluster', alg: 'RS256' }
      writeFileSync(join(folder, 'cluster.json'), JSON.stringify({ keys: [jwk] }))
      file.workloadIssuers = { cluster: { issuer: CLUSTER, jwksFile: 'cluster.json' } }
      for (let at = 0; at < SERVICES; at++)
        file.services[`service-${at}`] = {
          workloads: [{ issuer: 'cluster', audience: AUDIENCE, subject: subjectOf(at) }],
          grants: [{ upstream: 'u0', scopes: [SCOPE] }],
        }
    }
    const requests = tokens.map(token => ({
      body: new URLSearchParams({
        ...{ grant_type: 'client_credentials', audience: 'u0' },
        ...{ client_assertion_type: ASSERTION, client_assertion: token },
      }).toString(),
    }))
    const ehr = await startEhr()
    const bare = await startServer({ name: 'bare', script: serverScript('bare') })
    const fastify = await startServer({ name: 'fastify', script: serverScript('fastify') })
    const broker = await startBroker({ ehr: ehr.origin, change })
    const servers = [bare, fastify, broker]
    try {
      const load: Load = { connections: 64, seconds: 3, requests }
      for (const server of servers) await wrk(server, { ...load, seconds: 2 })
      const figures = await inTurn(servers, {
        ...{ rounds: 5, busy: 0.95, tell },
        measure: server => wrk(server, load),
      })
      const [ours, theirs] = [figures.get('broker'), figures.get('fastify')]
      if (!ours || !theirs) throw new Error('a server was not measured')
      const ratio = ours.rate / theirs.rate
      return [
        {
          ...{ what: 'workload_rate', value: ours.rate, unit: '1/s', ratio, against: 'fastify' },
          ...{ spread: ours.rateSpread, needs: atLeast(ratio, 0.7) },
        },
      ] satisfies Row[]
    } finally {
      await Promise.all([...servers, ehr].map(each => each.stop()))
    }
  },
}
