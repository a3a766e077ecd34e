import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Grant } from './grants.ts'
import { RECORDS } from './people.ts'
import type { Issued } from './token-answers.ts'

const FHIR = 'application/fhir+json'

type Find = (token: string) => Issued | null
type Deed = 'r' | 'c' | 'u'

/** The records, by type and ID, for whoever shows a token that opens them; what is written lasts as long as the server. */
export function fhirServer(server: FastifyInstance, base: string, find: Find): void {
  server.get(`${base}/metadata`, async () => ({
    resourceType: 'CapabilityStatement',
    fhirVersion: '4.0.1',
  }))
  for (const [type, records] of Object.entries(structuredClone(RECORDS))) {
    const kept = new Map<string, object>(Object.entries(records))
    server.get<{ Params: { id: string } }>(`${base}/${type}/:id`, async (request, reply) => {
      const { id } = request.params
      const denied = deny(find, request, reply, { type, id, deed: 'r' })
      if (denied) return denied
      const record = kept.get(id)
      reply.type(FHIR)
      if (record) return { resourceType: type, id, ...record }
      return reply.code(404).send(outcome('not-found', `No ${type} has this ID.`))
    })
    const write = (deed: Deed) => async (request: FastifyRequest, reply: FastifyReply) => {
      const { id = randomUUID() } = request.params as { id?: string }
      const denied = deny(find, request, reply, { type, id, deed })
      if (denied) return denied
      reply.type(FHIR)
      if (request.headers['content-type'] !== FHIR)
        return reply.code(415).send(outcome('not-supported', `Send ${FHIR}.`))
      const { resourceType, ...record } = JSON.parse(String(request.body))
      if (resourceType !== type) return reply.code(422).send(outcome('invalid', 'Another type.'))
      const status = kept.has(id) ? 200 : 201
      kept.set(id, record)
      return reply.code(status).send({ resourceType: type, ...record, id })
    }
    server.put(`${base}/${type}/:id`, write('u'))
    server.post(`${base}/${type}`, write('c'))
  }
}

/** The FHIR server's own no. */
function deny(
  find: Find,
  request: FastifyRequest,
  reply: FastifyReply,
  { type, id, deed }: { type: string; id: string; deed: Deed },
): FastifyReply | null {
  const token = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
  const issued = find(token)
  if (!issued) {
    return reply
      .code(401)
      .header('www-authenticate', 'Bearer error="invalid_token"')
      .send({ request: randomUUID() })
  }
  const { grant, scopes } = issued
  const opening = scopes.filter(scope => opens(scope, type, deed))
  if (opening.length === 0) {
    const header =
      'Bearer error="insufficient_scope", error_description="The access token provided is valid, but is not authorized for this service"'
    return reply.code(403).header('www-authenticate', header).send({ request: randomUUID() })
  }
  if (type !== 'Patient' || !grant || mayOpen(grant, opening, id)) return null
  const words = 'The authenticated user is not authorized to view the requested data'
  return reply.code(403).type(FHIR).send(outcome('forbidden', words))
}

/** A patient-level scope opens the record in context alone; a user-level one all that the person may open. */
function mayOpen({ patient, person }: Grant, opening: readonly string[], id: string): boolean {
  const isOfUser = opening.some(scope => scope.startsWith('user/'))
  return isOfUser ? person.patients.includes(id) : id === patient
}

/** SMART's two spellings, in whatever case. */
function opens(scope: string, type: string, deed: Deed): boolean {
  const [, resource = '', words = ''] =
    /^(?:system|user|patient)\/(\w+|\*)\.([a-z]+|\*)$/.exec(scope.toLowerCase()) ?? []
  if (resource !== '*' && resource !== type.toLowerCase()) return false
  const deeds = { read: 'rs', write: 'cud', '*': 'cruds' }[words] ?? words
  return deeds.includes(deed)
}

const outcome = (code: string, text: string) => ({
  resourceType: 'OperationOutcome',
  issue: [{ severity: 'error', code, details: { text }, diagnostics: text }],
})
