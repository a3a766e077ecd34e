/**
 * Makes openapi.json from GitHub's own description of its REST API: the operations that keys-pipeline/github/ calls,
 * the components they need, no prose. The description is 13 MB, so it is no dependency of ours:
 *
 *     npm install --prefix /tmp/openapi @octokit/openapi
 *     node test/vectors/github/make-openapi-fixture.ts /tmp/openapi/node_modules/@octokit/openapi/generated/api.github.com.json
 *     npx biome check --write test/vectors/github/openapi.json
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'

const REPOSITORY = '/repos/{owner}/{repo}'

const OPERATIONS: [string, ...string[]][] = [
  ['/user', 'get'],
  [REPOSITORY, 'get'],
  [`${REPOSITORY}/actions/permissions`, 'get'],
  [`${REPOSITORY}/branches/{branch}/protection`, 'get'],
  [`${REPOSITORY}/codeowners/errors`, 'get'],
  [`${REPOSITORY}/compare/{basehead}`, 'get'],
  [`${REPOSITORY}/deployments`, 'get'],
  [`${REPOSITORY}/deployments/{deployment_id}/statuses`, 'get'],
  [`${REPOSITORY}/git/blobs`, 'post'],
  [`${REPOSITORY}/git/blobs/{file_sha}`, 'get'],
  [`${REPOSITORY}/git/commits`, 'post'],
  [`${REPOSITORY}/git/commits/{commit_sha}`, 'get'],
  [`${REPOSITORY}/git/ref/{ref}`, 'get'],
  [`${REPOSITORY}/git/refs`, 'post'],
  [`${REPOSITORY}/git/refs/{ref}`, 'patch'],
  [`${REPOSITORY}/git/trees`, 'post'],
  [`${REPOSITORY}/git/trees/{tree_sha}`, 'get'],
  [`${REPOSITORY}/issues`, 'get', 'post'],
  [`${REPOSITORY}/issues/{issue_number}`, 'patch'],
  [`${REPOSITORY}/issues/{issue_number}/comments`, 'get', 'post'],
  [`${REPOSITORY}/pages`, 'get'],
  [`${REPOSITORY}/pulls`, 'get', 'post'],
  [`${REPOSITORY}/pulls/{pull_number}`, 'get', 'patch'],
  [`${REPOSITORY}/rules/branches/{branch}`, 'get'],
]

interface Description {
  info: { version: string }
  paths: Record<string, Record<string, Json>>
  components: Record<string, Record<string, Json>>
}

type Json = null | boolean | number | string | Json[] | { [name: string]: Json }

const [, , source] = process.argv
if (source === undefined) throw new Error('name the description: …/generated/api.github.com.json')
const whole: Description = JSON.parse(readFileSync(source, 'utf8'))

const paths = Object.fromEntries(
  OPERATIONS.map(([path, ...methods]) => [
    path,
    Object.fromEntries(methods.map(method => [method, operation(path, method)])),
  ]),
)
const fixture = {
  source: `@octokit/openapi ${whole.info.version}, generated/api.github.com.json`,
  paths,
  components: needed(paths),
}
writeFileSync(join(import.meta.dirname, 'openapi.json'), `${JSON.stringify(fixture)}\n`)

function operation(path: string, method: string): Json {
  const found = whole.paths[path]?.[method]
  if (typeof found !== 'object' || found === null || Array.isArray(found))
    throw new Error(`the description has no ${method} ${path}`)
  const { parameters = [], requestBody, responses = {} } = found
  return withoutProse({ parameters, ...(requestBody && { requestBody }), responses })
}

/** What the operations refer to, and what that refers to in turn. */
function needed(from: Json): Description['components'] {
  const found: Description['components'] = {}
  const look = (json: Json): void => {
    if (json === null || typeof json !== 'object') return
    for (const inner of Object.values(json)) look(inner)
    const reference = Array.isArray(json) ? undefined : json['$ref']
    if (typeof reference !== 'string') return
    const [, , kind = '', name = ''] = reference.split('/')
    found[kind] ??= {}
    if (found[kind][name] !== undefined) return
    found[kind][name] = withoutProse(whole.components[kind]?.[name] ?? null)
    look(found[kind][name])
  }
  look(from)
  return found
}

/** `description` and `title` are prose where they are text; as names of properties they are schemas. */
function withoutProse(json: Json): Json {
  if (json === null || typeof json !== 'object') return json
  if (Array.isArray(json)) return json.map(withoutProse)
  const kept = Object.entries(json).filter(
    ([name, value]) =>
      !/^(example|examples|headers|externalDocs|x-.*)$/.test(name) &&
      !(/^(description|title)$/.test(name) && typeof value === 'string'),
  )
  return Object.fromEntries(kept.map(([name, value]) => [name, withoutProse(value)]))
}
