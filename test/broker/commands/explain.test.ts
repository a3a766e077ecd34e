import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { secretHash } from '../../../broker/access/secrets.ts'
import { firstConfig, SANDBOXES } from '../../../broker/init.ts'
import { folderWith } from '../../support/keys.ts'
import { BROKER_CLI, type Finished, run } from '../../support/processes.ts'

let folder: string
let text: string
beforeEach(() => {
  text = firstConfig(SANDBOXES.epic, secretHash('secret'), 'private').replace(
    'REPLACE-WITH-YOUR-CLIENT-ID',
    'app',
  )
  folder = folderWith({})
  writeFileSync(join(folder, 'broker.yaml'), text)
})

const explain = (...args: string[]): Promise<Finished> =>
  run(BROKER_CLI, ['explain', '--service', 'my-service', ...args], { cwd: folder })

test('yes names the upstream, what the EHR is asked for, and the line that grants it', async () => {
  const { code, stdout } = await explain('--json')
  const answer = JSON.parse(stdout)
  expect([code, answer.allowed, answer.upstream, answer.code]).toEqual([
    0,
    true,
    'epic-sandbox',
    null,
  ])
  const line = text.split('\n').findIndex(each => /- upstream: epic-sandbox/.test(each)) + 1
  expect([answer.file, answer.line]).toEqual(['broker.yaml', line])
  expect((await explain()).stdout).toContain(`broker.yaml line ${line}`)
})

describe('no has the code that the audit would have, and ends with 1', () => {
  test.each([
    [['--upstream', 'nowhere'], 'upstream_unknown'],
    [['--resource', 'https://nowhere.example.com/r4'], 'upstream_unknown'],
    [['--scope', 'system/Everything.read'], 'scope_not_granted'],
    [['--scope', 'two  spaces'], 'scope_malformed'],
  ])('%j', async (args, refusal) => {
    const { code, stdout } = await explain(...args, '--json')
    expect([code, JSON.parse(stdout).code]).toEqual([1, refusal])
  })
})

test('yes to what is only recorded says what it would have been', async () => {
  writeFileSync(
    join(folder, 'broker.yaml'),
    text
      .replace(/^( +)(secretSha256:)/m, '$1mode: audit\n$1$2')
      .replace('profile: epic', 'profile: smart')
      .replace('- system/Patient.read', '- system/Patient.read\n      - system/Task.read'),
  )
  const { code, stdout } = await explain('--scope', 'system/Task.read', '--json')
  expect([code, JSON.parse(stdout).tolerated]).toEqual([0, 'scope_not_granted'])
})

test('a service that is not there is a fault of usage, and a config that is none is told', async () => {
  const nobody = await run(BROKER_CLI, ['explain', '--service', 'nobody'], { cwd: folder })
  expect([nobody.code, nobody.stdout]).toEqual([2, ''])
  const nothing = await explain('--config', 'nowhere.yaml')
  expect([nothing.code, nothing.stdout]).toEqual([1, ''])
})
