import { type ActionsMetadataProvider, validate } from '@actions/languageservice'
import { describe, expect, test } from 'vitest'
import { workflow, workflows } from './project.ts'

/**
 * The inputs of the pinned versions that we may use. A version with other inputs needs a look at its action.yml.
 * @see reference/pages-and-actions.md §2.1
 */
const INPUTS: Record<string, string[]> = {
  'actions/checkout': ['persist-credentials', 'fetch-depth', 'ref', 'repository'],
  'actions/setup-node': ['node-version', 'package-manager-cache', 'cache'],
  'actions/upload-pages-artifact': ['name', 'path', 'retention-days', 'include-hidden-files'],
  'actions/deploy-pages': ['artifact_name', 'timeout', 'error_count', 'reporting_interval'],
}

const actionsMetadataProvider: ActionsMetadataProvider = {
  async fetchActionMetadata({ owner, name }) {
    const known = INPUTS[`${owner}/${name}`]
    if (!known) return undefined
    const inputs = Object.fromEntries(known.map(input => [input, { description: input }]))
    return { name, description: name, inputs }
  },
}

type TextDocument = Parameters<typeof validate>[0]

let asked = 0
/** What GitHub's own parser says of a workflow. It remembers by address, so each text gets a new one. */
async function messages(text: string): Promise<string[]> {
  asked += 1
  const document = { uri: `file:///.github/workflows/${asked}.yml`, getText: () => text }
  const found = await validate(document as TextDocument, { actionsMetadataProvider })
  return found.map(({ message }) => (typeof message === 'string' ? message : message.value))
}

test.each(workflows())('$file is what GitHub understands', async ({ text }) => {
  expect(await messages(text)).toEqual([])
})

describe('GitHub’s parser complains of', () => {
  test.each<[string, string, string | RegExp, string]>([
    ['an unknown key', 'ci.yml', 'timeout-minutes', 'timeout-minuten'],
    ['a job that is not there', 'publish-keys.yml', 'needs: deploy', 'needs: deployment'],
    [
      'a circle of jobs',
      'publish-keys.yml',
      '  judge-keys:\n',
      '  judge-keys:\n    needs: verify\n',
    ],
    ['an unknown event', 'ci.yml', '  pull_request:', '  pull_requests:'],
    ['an unknown permission', 'watch-keys.yml', 'issues: write', 'issue: write'],
    ['a level that does not exist', 'watch-keys.yml', 'issues: write', 'issues: admin'],
    ['a schedule that is none', 'watch-keys.yml', '23,53 * * * *', '23,83 * * * *'],
    [
      'an output of a job that it does not wait for',
      'publish-keys.yml',
      'if: needs.build',
      'if: needs.verify',
    ],
    [
      'an output that a job does not have',
      'publish-keys.yml',
      'needs.build.outputs.newest',
      'needs.build.outputs.new',
    ],
    ['a step that is not there', 'publish-keys.yml', 'steps.newest.outputs', 'steps.newer.outputs'],
    ['an unknown function', 'publish-keys.yml', 'format(', 'formatted('],
    ['a condition that does not end', 'publish-keys.yml', "begun == 'true'", "begun == 'true"],
    [
      'an input that the action does not have',
      'publish-keys.yml',
      'include-hidden-files',
      'include-hidden',
    ],
    ['an action that nobody looked at', 'ci.yml', 'actions/setup-node@', 'actions/setup-deno@'],
  ])('%s', async (_, file, there, becomes) => {
    const { text } = workflow(file)
    const spoilt = text.replace(there, becomes)
    expect(spoilt).not.toBe(text)
    expect(await messages(spoilt)).not.toEqual([])
  })
})
