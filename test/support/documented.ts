import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** What of an OpenAPI document the tests look at. */
export interface OpenApi {
  openapi: string
  info: { title: string; version: string }
  servers: { url: string }[]
  tags: { name: string }[]
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema>; securitySchemes: Record<string, object> }
}
export interface Operation {
  operationId: string
  tags: string[]
  security?: Record<string, string[]>[]
  requestBody?: { content: Record<string, { schema: Schema }> }
  responses: Record<string, Response>
}
interface Response {
  headers?: Record<string, object>
  content: Record<string, { schema: Schema; examples?: Record<string, { value: object }> }>
}
export interface Schema {
  $ref?: string
  allOf?: Schema[]
  properties?: Record<string, Schema & { enum?: string[] }>
}

const ajv = new Ajv2020({ strict: false, formats: { uri: true, password: true } })
const validators = new Map<string, ValidateFunction>()

/**
 * The test of what stands at `pointer` in the document, which is the same in every world with the same paths but for its
 * server. Worlds with users have more of them.
 */
export function validatorAt(document: OpenApi, ...pointer: string[]): ValidateFunction {
  const name = `document-${Object.keys(document.paths).sort().join('').replaceAll(/\W/g, '')}`
  if (ajv.getSchema(name) === undefined) ajv.addSchema(document, name)
  const at = pointer.map(each => `/${each.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
  const ref = `${name}#${encodeURI(at)}`
  const known = validators.get(ref)
  if (known) return known
  const made = ajv.compile({ $ref: ref })
  validators.set(ref, made)
  return made
}

/** The names of all members that a schema knows. */
function membersOf(document: OpenApi, { $ref, allOf = [], properties = {} }: Schema): string[] {
  const named = document.components.schemas[$ref?.split('/').at(-1) ?? '']
  return [...Object.keys(properties), ...(named ? [named] : []), ...allOf].flatMap(each =>
    typeof each === 'string' ? [each] : membersOf(document, each),
  )
}

/** Headers that are part of the interface, wherever they come. */
const TOLD = ['www-authenticate', 'retry-after', 'allow']

/** What the document leaves out of a reply, or has otherwise. */
function differences(request: FastifyRequest, reply: FastifyReply, payload: unknown): string[] {
  const document = request.server.swagger() as unknown as OpenApi
  const { url = '' } = request.routeOptions
  const method = request.method.toLowerCase()
  const operation = document.paths[url]?.[method]
  if (operation === undefined || typeof payload !== 'string') return []
  const status = `${reply.statusCode}`
  const told = operation.responses[status]
  if (told === undefined) return [`${method} ${url} ${status} is not in the document: ${payload}`]
  const fits = validatorAt(
    ...([document, 'paths', url, method, 'responses', status] as const),
    ...['content', 'application/json', 'schema'],
  )
  const body = JSON.parse(payload)
  const known = membersOf(document, told.content['application/json']?.schema ?? {})
  const headers = Object.keys(told.headers ?? {}).map(name => name.toLowerCase())
  return [
    ...(fits(body) ? [] : [`${ajv.errorsText(fits.errors)} in ${payload}`]),
    ...Object.keys(body).filter(name => !known.includes(name)),
    ...TOLD.filter(name => reply.hasHeader(name) && !headers.includes(name)),
  ].map(each => `${method} ${url} ${status}: ${each}`)
}

/** Holds every reply of the listener to its OpenAPI document; answers with what was otherwise. */
export function holdToDocument(app: FastifyInstance): () => string[] {
  const found = new Set<string>()
  app.addHook('onSend', (request, reply, payload, done) => {
    for (const each of differences(request, reply, payload)) found.add(each)
    done(null, payload)
  })
  return () => [...found]
}
