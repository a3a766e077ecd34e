import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { folderWith } from '../support/keys.ts'
import { COMPILED, PROJECT, run } from '../support/processes.ts'

const importOf = (file: string): string => JSON.stringify(join(PROJECT, 'keys-pipeline', file))

test('what is compiled is kept beside the packages, which are trusted as much', async () => {
  const folder = folderWith({
    'script.mjs': `import { getCompileCacheDir } from 'node:module'
import { keepCompiled } from ${importOf('keep-compiled.ts')}
keepCompiled()
await import(${importOf('words.ts')})
console.log(getCompileCacheDir())`,
  })
  const { code, stdout } = await run(join(folder, 'script.mjs'), [], {
    env: { NODE_COMPILE_CACHE: '' },
  })
  expect(code).toBe(0)
  expect(stdout).toContain(COMPILED)
  expect(readdirSync(stdout.trim())).not.toEqual([])
})
