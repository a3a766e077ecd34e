import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'

/** A hospital that does not exist. */
export interface MadeUp {
  name: string
  /** The path of its FHIR base. */
  path: string
}

const FIRST = ['Saint Nowhere', 'Upper Made-up', 'Lake Fiction', 'Grand Pretence', 'Nether Example']
const LAST = ['Hospital', 'Clinic', 'Children’s', 'Medical Center', 'Health', 'Care Network']

/** So many hospitals. There are thirty names, so that the thirty-first has that of another. */
export const madeUp = (count: number): MadeUp[] =>
  Array.from({ length: count }, (_, at) => ({
    name: `${FIRST[at % 5]} ${LAST[at % 6]}`,
    path: `/tenant-${at}/api/FHIR/R4`,
  }))

interface Resource {
  resourceType: string
  id: string
  [more: string]: unknown
}

/** A list of them in the form of Epic's: an Endpoint and its Organization, by turns contained, referred to, or back. */
export function bundleOf(hospitals: readonly MadeUp[], origin: string): object {
  const entries = hospitals.flatMap(({ name, path }, at): Resource[] => {
    const id = path.split('/')[1] ?? ''
    const organization = { resourceType: 'Organization', id: `org-${id}`, name }
    const endpoint = {
      resourceType: 'Endpoint',
      id,
      status: 'active',
      connectionType: {
        system: 'http://terminology.hl7.org/CodeSystem/endpoint-connection-type',
        code: 'hl7-fhir-rest',
      },
      address: `${origin}${path}/`,
    }
    if (at % 3 === 0) {
      const managingOrganization = { reference: '#here' }
      return [{ ...endpoint, managingOrganization, contained: [{ ...organization, id: 'here' }] }]
    }
    if (at % 3 === 1)
      return [
        { ...endpoint, managingOrganization: { reference: `Organization/org-${id}` } },
        organization,
      ]
    return [endpoint, { ...organization, endpoint: [{ reference: `Endpoint/${id}` }] }]
  })
  return {
    resourceType: 'Bundle',
    type: 'collection',
    entry: entries.map(resource => ({
      fullUrl: `https://list.example.com/${resource.resourceType}/${resource.id}`,
      resource,
    })),
  }
}

type Answer = (request: IncomingMessage, reply: ServerResponse) => void

/** One server for all of them. */
export interface Tenants {
  origin: string
  /** The paths of the FHIR bases that were asked, in order. */
  asked: string[]
  /** What a tenant answers in place of its smart-configuration, by the path of its FHIR base. */
  answers: Map<string, Answer>
  /** Nobody is answered before so many wait. */
  hold: number
  /** From the so-manieth on nobody is answered, and this is told of it. */
  silence: { from: number; begun: () => void } | null
  /** How many waited at once at the most. */
  most: () => number
  tokenEndpoint: (path: string) => string
  close: () => Promise<void>
}

export async function serveTenants(tls: { cert: string; key: string }): Promise<Tenants> {
  const server = createServer(tls)
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const origin = `https://localhost:${(server.address() as AddressInfo).port}`
  const waiting: (() => void)[] = []
  let most = 0
  const tenants: Tenants = {
    ...{ origin, asked: [], answers: new Map(), hold: 1, silence: null },
    most: () => most,
    tokenEndpoint: path => `${origin}/${path.split('/')[1]}/oauth2/token`,
    close: () =>
      new Promise(done => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
  server.on('request', (request: IncomingMessage, reply: ServerResponse) => {
    const path = (request.url ?? '').replace('/.well-known/smart-configuration', '')
    tenants.asked.push(path)
    const { silence, answers } = tenants
    if (silence !== null && tenants.asked.length >= silence.from) return silence.begun()
    const answer = answers.get(path) ?? json({ token_endpoint: tenants.tokenEndpoint(path) })
    const give = (): void => answer(request, reply)
    waiting.push(give)
    // Who has hung up does not wait any more.
    reply.once('close', () => {
      if (waiting.includes(give)) waiting.splice(waiting.indexOf(give), 1)
    })
    most = Math.max(most, waiting.length)
    if (waiting.length >= tenants.hold) for (const each of waiting.splice(0)) each()
  })
  return tenants
}

export const json =
  (body: unknown): Answer =>
  (_, reply) =>
    void reply.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))

export const page: Answer = (_, reply) =>
  void reply.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html>')

export const status =
  (code: number): Answer =>
  (_, reply) =>
    void reply.writeHead(code).end()
