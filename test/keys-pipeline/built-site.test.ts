import { hash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readSite } from '../../keys-pipeline/built-site.ts'
import { replaceFolder } from '../../keys-pipeline/write.ts'
import { asIs, folderWith } from '../support/keys.ts'

const files = new Map([
  ['a/.b.json', '{}'],
  ['index.html', 'x'],
])
const publication = JSON.stringify({
  files: Object.fromEntries([...files].map(([path, text]) => [path, hash('sha256', text, 'hex')])),
})

function site(): string {
  const out = join(folderWith(), 'out')
  replaceFolder(out, new Map([...files, ['publication.json', publication]]), asIs)
  return out
}

test('what the build listed is read, and the list itself', () => {
  expect(readSite(site(), asIs)).toEqual(new Map([...files, ['publication.json', publication]]))
})

test('what the build did not list is not read', () => {
  const out = site()
  writeFileSync(join(out, '.env'), 'SECRET')
  expect(readSite(out, asIs).has('.env')).toBe(false)
})
