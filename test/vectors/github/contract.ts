import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv, type ValidateFunction } from 'ajv'

/** GitHub's description of the operations that we call, as a judge of requests and replies. */
export interface Operation {
  /** `GET /repos/{owner}/{repo}` */
  name: string
  parameters: Readonly<Record<string, string>>
  /** What is wrong with the request; nothing is good. */
  judgeRequest: (query: URLSearchParams, body: unknown) => string[]
  judgeReply: (status: number, body: unknown) => string[]
  isDescribed: (status: number) => boolean
  isPaged: boolean
  /** A whole body of that status, of which only some is said: what else must be there is made up. */
  fill: (status: number, part: unknown) => unknown
}

type Schema = { [keyword: string]: unknown } & {
  $ref?: string
  type?: string | string[]
  enum?: unknown[]
  nullable?: boolean
  format?: string
  minLength?: number
  required?: string[]
  properties?: Record<string, Schema>
  items?: Schema
  allOf?: Schema[]
  anyOf?: Schema[]
  oneOf?: Schema[]
  discriminator?: unknown
}

interface Parameter {
  $ref?: string
  name: string
  in: 'path' | 'query'
  required?: boolean
  schema: Schema
}

interface Described {
  parameters: Parameter[]
  requestBody?: Content
  responses: Record<string, Content>
}

interface Content {
  $ref?: string
  content?: Record<string, { schema: Schema }>
}

const fixture: {
  paths: Record<string, Record<string, Described>>
  components: Record<string, Record<string, unknown>>
} = JSON.parse(readFileSync(join(import.meta.dirname, 'openapi.json'), 'utf8'))

const FORMATS = {
  'date-time': (text: string) =>
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text),
  date: (text: string) => /^\d{4}-\d\d-\d\d$/.test(text),
  uri: (text: string) => text === '' || URL.canParse(text),
  email: true,
  int64: true,
  'repo.nwo': true,
} as const

/** OpenAPI 3.0 says `nullable` where JSON Schema has a type; an enum of such a type need not name null. */
function toJsonSchema<T>(json: T): T {
  if (json === null || typeof json !== 'object') return json
  if (Array.isArray(json)) return json.map(toJsonSchema) as T
  const { nullable, discriminator, ...schema } = Object.fromEntries(
    Object.entries(json).map(([name, value]) => [name, toJsonSchema(value)]),
  ) as Schema
  if (typeof schema.$ref === 'string') schema.$ref = schema.$ref.replace(/^#/, 'github#')
  if (nullable !== true)
    return (discriminator ? { ...schema, anyOf: schema.oneOf, oneOf: undefined } : schema) as T
  if (typeof schema.type !== 'string' || schema.oneOf)
    return { anyOf: [schema, { type: 'null' }] } as T
  const withNull = { ...schema, type: [schema.type, 'null'] }
  return (schema.enum ? { ...withNull, enum: [...schema.enum, null] } : withNull) as T
}

/** GitHub passes over what it does not know; here it is a mistake. */
function closed(schema: Schema): Schema {
  const properties =
    schema.properties &&
    Object.fromEntries(
      Object.entries(schema.properties).map(([name, each]) => [name, closed(each)]),
    )
  return {
    ...schema,
    ...(properties && {
      properties,
      additionalProperties: schema['additionalProperties'] ?? false,
    }),
    ...(schema.items && { items: closed(schema.items) }),
    ...(schema.oneOf && { oneOf: schema.oneOf.map(closed) }),
    ...(schema.anyOf && { anyOf: schema.anyOf.map(closed) }),
  }
}

const components = { $id: 'github', components: withoutUndefined(toJsonSchema(fixture.components)) }
const options = { strict: false, allErrors: true, formats: FORMATS }
const ajv = new Ajv(options).addSchema(components)
/** Path and query are text. */
const coercing = new Ajv({ ...options, coerceTypes: true }).addSchema(components)

function withoutUndefined<T>(json: T): T {
  return JSON.parse(JSON.stringify(json))
}

function component<T extends { $ref?: string }>(json: T): T {
  const [, , kind = '', name = ''] = json.$ref?.split('/') ?? []
  return json.$ref === undefined ? json : component(fixture.components[kind]?.[name] as T)
}

const compiled = new Map<string, ValidateFunction>()

function judge(name: string, value: unknown, by: Ajv, schema: () => Schema): string[] {
  const validate =
    compiled.get(name) ?? by.compile(withoutUndefined(schema() as Record<string, unknown>))
  compiled.set(name, validate)
  if (validate(value)) return []
  return (validate.errors ?? [])
    .slice(0, 5)
    .map(({ instancePath, message, params }) =>
      [name, instancePath, message, JSON.stringify(params)].join(' '),
    )
}

/** The operation that a request means; null where we are not known to call such a one. */
export function operationOf(method: string, path: string): Operation | null {
  for (const [template, methods] of Object.entries(fixture.paths)) {
    const described = methods[method.toLowerCase()]
    const names = [...template.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name)
    const pattern = new RegExp(`^${template.replace(/\{\w+\}/g, '([^/]+)')}$`)
    const match = pattern.exec(path)
    if (described === undefined || match === null) continue
    const values = names.map((name, at) => [name, decodeURIComponent(match[at + 1] ?? '')])
    return operation(`${method} ${template}`, described, Object.fromEntries(values))
  }
  return null
}

function operation(
  name: string,
  described: Described,
  parameters: Record<string, string>,
): Operation {
  const known = described.parameters.map(component)
  const schemaOf = (status: number): Schema | undefined =>
    component(described.responses[status] ?? {}).content?.['application/json']?.schema
  return {
    name,
    parameters,
    isDescribed: status => described.responses[status] !== undefined,
    isPaged: known.some(each => each.name === 'page'),
    judgeRequest: (query, body) => [
      ...judge(
        `${name} parameters`,
        { ...Object.fromEntries(query), ...parameters },
        coercing,
        () =>
          toJsonSchema({
            type: 'object',
            properties: Object.fromEntries(known.map(each => [each.name, each.schema])),
            required: known.filter(each => each.required).map(each => each.name),
            additionalProperties: false,
          }),
      ),
      ...judgeBody(name, described.requestBody, body),
    ],
    judgeReply: (status, body) => {
      const schema = schemaOf(status)
      if (described.responses[status] === undefined) return [`${name} never answers ${status}`]
      if (schema === undefined) return []
      return judge(`${name} ${status}`, body, ajv, () => toJsonSchema(schema))
    },
    fill: (status, part) => fill(toJsonSchema(schemaOf(status) ?? {}), part),
  }
}

function judgeBody(name: string, described: Content | undefined, body: unknown): string[] {
  const schema = component(described ?? {}).content?.['application/json']?.schema
  if (schema === undefined) return body === undefined ? [] : [`${name} takes no body`]
  return judge(`${name} body`, body, ajv, () => closed(toJsonSchema(schema)))
}

function resolved(schema: Schema): Schema {
  const [, , kind = '', name = ''] = schema.$ref?.split('/') ?? []
  if (schema.$ref === undefined) return schema
  return resolved(
    (components.components as Record<string, Record<string, Schema>>)[kind]?.[name] ?? {},
  )
}

const isNull = ({ type }: Schema): boolean => type === 'null' || (type ?? []).includes('null')

function fill(reference: Schema, part: unknown): unknown {
  const schema = resolved(reference)
  if (schema.allOf) return schema.allOf.reduce((sum, each) => fill(each, sum), part)
  const alternatives = schema.anyOf ?? schema.oneOf
  if (part === null || (part === undefined && isNull(schema))) return null
  if (schema.properties) return fillObject(schema, part as Record<string, unknown>)
  if (schema.type === 'array') {
    return ((part ?? []) as unknown[]).map(each => fill(schema.items ?? {}, each))
  }
  if (alternatives) {
    if (part === undefined && alternatives.some(isNull)) return null
    const isPlain = part === undefined || schema.oneOf === undefined
    return isPlain ? fill(alternatives[0] ?? {}, part) : part
  }
  return part ?? sample(schema)
}

function fillObject(
  { properties = {}, required = [] }: Schema,
  part: Record<string, unknown> = {},
) {
  const names = new Set([...required, ...Object.keys(part)])
  return Object.fromEntries(
    [...names].map(name => [name, fill(properties[name] ?? {}, part[name])]),
  )
}

const SAMPLES: Readonly<Record<string, string>> = {
  'date-time': '2026-11-25T00:00:00Z',
  date: '2026-11-25',
  uri: 'https://api.github.com/',
  email: 'a@example.com',
}

function sample({ type, enum: values, format = '', minLength = 1 }: Schema): unknown {
  if (values) return values[0]
  if (type === 'integer' || type === 'number') return 0
  if (type === 'boolean') return false
  if (type === 'string') return SAMPLES[format] ?? 'a'.repeat(minLength)
  return {}
}
