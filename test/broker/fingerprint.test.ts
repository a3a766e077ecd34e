import { renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fingerprintOf } from '../../broker/fingerprint.ts'
import { folderWith } from '../support/keys.ts'

test.each<[string, (folder: string) => void]>([
  ['a file is changed', folder => writeFileSync(join(folder, 'a.yaml'), 'other')],
  [
    'a file of the folder is changed',
    folder => writeFileSync(join(folder, 'many/x.yaml'), 'other'),
  ],
  ['one more file is there', folder => writeFileSync(join(folder, 'many/y.yaml'), 'x')],
  ['one file less is there', folder => rmSync(join(folder, 'many/x.yaml'))],
  ['a file is gone', folder => rmSync(join(folder, 'a.yaml'))],
  [
    'a file is swapped for one of the same age and size',
    folder => {
      writeFileSync(join(folder, 'b'), 'ta')
      utimesSync(join(folder, 'b'), 1, 1)
      renameSync(join(folder, 'b'), join(folder, 'a.yaml'))
    },
  ],
])('it is another when %s, and the same when nothing is', (_, change) => {
  const folder = folderWith({ 'a.yaml': 'at', 'many/x.yaml': 'x' })
  utimesSync(join(folder, 'a.yaml'), 1, 1)
  const print = () => fingerprintOf([join(folder, 'a.yaml'), join(folder, 'many')])
  const before = print()
  expect(print()).toBe(before)
  change(folder)
  expect(print()).not.toBe(before)
})
