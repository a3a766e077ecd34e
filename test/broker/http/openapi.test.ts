import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { OpenApi, Operation } from '../../support/documented.ts'
import { makeWorld, type World } from '../../support/world.ts'

let world: World
let document: OpenApi
beforeAll(async () => {
  world = await makeWorld()
  document = (await world.app.inject('/openapi.json')).json()
})
afterAll(() => world.close())

/** Every object in the document with the names that lead to it. */
function* within(value: unknown, path: string[] = []): Generator<[string[], object]> {
  if (typeof value !== 'object' || value === null) return
  yield [path, value]
  for (const [name, inner] of Object.entries(value)) yield* within(inner, [...path, name])
}
const operations = (): Operation[] => Object.values(document.paths).flatMap(Object.values)

/**
 * No package that is installed has the meta schema of OpenAPI 3.1, so that its rules for what the document uses stand
 * here: the fixed fields of each object, and which of them must be there. The schemas are held to JSON Schema's own.
 *
 * @see https://spec.openapis.org/oas/v3.1.0#openapi-object
 */
describe('the document has the shape of OpenAPI 3.1', () => {
  const FIELDS: Record<string, [must: string[], may: string[]]> = {
    document: [
      ['openapi', 'info', 'paths'],
      ['servers', 'tags', 'components'],
    ],
    info: [['title', 'version'], ['description']],
    server: [['url'], []],
    tag: [['name'], ['description']],
    components: [[], ['schemas', 'securitySchemes']],
    operation: [
      ['operationId', 'summary', 'tags', 'responses'],
      ['description', 'security', 'requestBody'],
    ],
    body: [['content', 'required'], ['description']],
    response: [['description', 'content'], ['headers']],
    header: [['schema'], ['description']],
    media: [['schema'], ['examples']],
    example: [['value'], ['summary']],
  }

  /** Each object by what it is: the values of a map, or of a list, one by one. */
  function* objects(): Generator<[string, object]> {
    yield ['document', document]
    yield ['info', document.info]
    yield ['components', document.components]
    for (const server of document.servers) yield ['server', server]
    for (const operation of operations()) {
      yield ['operation', operation]
      if (operation.requestBody) yield ['body', operation.requestBody]
      const { content = {} } = operation.requestBody ?? {}
      for (const media of Object.values(content)) yield ['media', media]
      for (const response of Object.values(operation.responses)) {
        yield ['response', response]
        for (const header of Object.values(response.headers ?? {})) yield ['header', header]
        for (const media of Object.values(response.content)) {
          yield ['media', media]
          for (const example of Object.values(media.examples ?? {})) yield ['example', example]
        }
      }
    }
  }

  test('in every object', () => {
    expect(document.openapi).toMatch(/^3\.1\.\d+$/)
    let seen = 0
    for (const [kind, object] of objects()) {
      const [must, may] = FIELDS[kind] ?? [[], []]
      const names = Object.keys(object)
      expect(names, kind).toEqual(expect.arrayContaining(must))
      expect(
        names.filter(name => ![...must, ...may].includes(name)),
        kind,
      ).toEqual([])
      seen++
    }
    expect(seen).toBeGreaterThan(100)
  })

  test('in its names: operations are unique, statuses are statuses, tags are told of', () => {
    const ids = operations().map(each => each.operationId)
    expect(new Set(ids).size).toBe(ids.length)
    for (const path of Object.keys(document.paths)) expect(path).toMatch(/^\//)
    const tags = document.tags.map(({ name }) => name)
    for (const operation of operations())
      expect(tags).toEqual(expect.arrayContaining(operation.tags))
    for (const { responses } of operations())
      for (const status of Object.keys(responses)) expect(status).toMatch(/^[1-5]\d\d$/)
  })

  test('every $ref leads somewhere', () => {
    const refs = [...within(document)].flatMap(([, { $ref }]: [string[], { $ref?: string }]) =>
      $ref === undefined ? [] : [$ref],
    )
    expect(refs.length).toBeGreaterThan(10)
    for (const ref of refs) {
      const names = ref.replace(/^#\//, '').split('/')
      const found = names.reduce<unknown>(
        (at, name) => (at as Record<string, unknown> | undefined)?.[name],
        document,
      )
      expect(found, ref).toBeTypeOf('object')
    }
  })

  test('every schema is one of JSON Schema 2020-12, and knows no foreign word', () => {
    const ajv = new Ajv2020({ strict: true, strictRequired: false, strictTypes: false })
    for (const format of ['uri', 'password']) ajv.addFormat(format, true)
    const whole = { ...document.components.schemas }
    for (const [name, schema] of Object.entries(whole))
      ajv.addSchema(schema, `#/components/schemas/${name}`)
    const schemas = [...within(document)].filter(([path]) => path.at(-1) === 'schema')
    expect(schemas.length).toBeGreaterThan(30)
    for (const [path, schema] of schemas)
      expect(() => ajv.compile(schema), path.join('/')).not.toThrow()
  })

  test('security names schemes that are described', () => {
    const { securitySchemes } = document.components
    const named = operations().flatMap(({ security = [] }) =>
      security.flatMap(each => Object.keys(each)),
    )
    expect([...new Set(named)].sort()).toEqual(Object.keys(securitySchemes).sort())
    expect(Object.values(securitySchemes)).toEqual([
      expect.objectContaining({ type: 'http', scheme: 'basic' }),
      expect.objectContaining({ type: 'mutualTLS' }),
    ])
  })
})

test('its server is the issuer, whatever Host says', async () => {
  const reply = await world.app.inject({ url: '/openapi.json', headers: { host: 'evil.example' } })
  expect(reply.json().servers).toEqual([{ url: 'http://127.0.0.1:8400' }])
})

test('it describes every route of the listener but those that show it', () => {
  const routes = world.app.printRoutes({ commonPrefix: false })
  const paths = [...routes.matchAll(/^\S+ (\/\S+)/gm)].map(([, path = '']) => path)
  const shown = [...Object.keys(document.paths), '/openapi.json', '/docs']
  expect(paths.sort()).toEqual(shown.sort())
})
