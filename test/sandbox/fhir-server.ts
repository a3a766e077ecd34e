import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Grant } from './grants.ts'
import { RECORDS } from './people.ts'
import type { Issued } from './token-answers.ts'

const FHIR = 'application/fhir+json; charset=utf-8'

/** The records, by type and ID, for whoever shows a token that opens them. */
export function fhirServer(
  server: FastifyInstance,
  base: string,
  find: (token: string) => Issued | null,
): void {
  server.get(`${base}/metadata`, async () => ({
    resourceType: 'CapabilityStatement',
    fhirVersion: '4.0.1',
  }))
  for (const [type, records] of Object.entries(RECORDS)) {
    server.get<{ Params: { id: string } }>(`${base}/${type}/:id`, async (request, reply) => {
      const { id } = request.params
      const denied = deny(find, request, reply, { type, id })
      if (denied) return denied
      const record = records[id]
      reply.type(FHIR)
      if (record) return { resourceType: type, id, ...record }
      return reply.code(404).send(outcome('not-found', `No ${type} has this ID.`))
    })
  }
}

/** The FHIR server's own no. */
function deny(
  find: (token: string) => Issued | null,
  request: FastifyRequest,
  reply: FastifyReply,
  { type, id }: { type: string; id: string },
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
  const opening = scopes.filter(scope => opens(scope, type))
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

/** SMART's two spellings of reading, in whatever case. */
const opens = (scope: string, type: string): boolean =>
  new RegExp(`^(system|user|patient)/(${type}|\\*)\\.(read|c?ru?d?s?|\\*)$`, 'i').test(scope)

const outcome = (code: string, text: string) => ({
  resourceType: 'OperationOutcome',
  issue: [{ severity: 'error', code, details: { text }, diagnostics: text }],
})
