import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/schema'
import { finding, PipelineError } from '../errors.ts'
import type { GitHub } from './client.ts'

/**
 * The part of a reply that we read, checked: octokit's types say what GitHub promises, not what came. The schema may
 * leave out whatever is not read. Refused: `github_failed`.
 */
export function replyReader<Schema extends TSchema>(
  what: string,
  schema: Schema,
): (github: GitHub, data: unknown) => Static<Schema> {
  const compiled = Compile(schema)
  return ({ repository }, data) => {
    const [good, errors] = compiled.Errors(data)
    if (good) return data as Static<Schema>
    const [first] = errors
    const where = `${first?.instancePath ?? ''} ${first?.message ?? ''}`.trim()
    throw new PipelineError(
      finding('github_failed', repository, `GitHub's ${what} is not as described: ${where}`),
    )
  }
}
