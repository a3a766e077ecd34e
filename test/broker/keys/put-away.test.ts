import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { putAway } from '../../../broker/keys/put-away.ts'
import { folderWith } from '../../support/keys.ts'

test('a private key is moved beside the others, and is kept as it is', () => {
  const folder = folderWith()
  const file = join(folder, 'a.pem')
  writeFileSync(file, 'a key', { mode: 0o600 })
  const target = putAway(file) ?? ''
  expect(target).toBe(join(folder, 'retired', 'a.pem'))
  expect([existsSync(file), readFileSync(target, 'utf8')]).toEqual([false, 'a key'])
  expect(statSync(target).mode & 0o777).toBe(0o600)
  expect(statSync(join(folder, 'retired')).mode & 0o777).toBe(0o700)
})

test('one that was put away before under the same name is never written over', () => {
  const folder = folderWith({ 'a.pem': 'one' })
  const file = join(folder, 'a.pem')
  putAway(file)
  writeFileSync(file, 'two')
  putAway(file)
  writeFileSync(file, 'three')
  putAway(file)
  const away = join(folder, 'retired')
  expect(readdirSync(away).map(name => readFileSync(join(away, name), 'utf8'))).toEqual([
    'one',
    'two',
    'three',
  ])
})

test('what is gone already, and what is in no file, is left alone', () => {
  const folder = folderWith()
  expect(putAway(join(folder, 'a.pem'))).toBeNull()
  expect(putAway('pkcs11:token=lockstep;object=key')).toBeNull()
  expect(readdirSync(folder)).toEqual([])
})

test('a folder that cannot be made is told', () => {
  const folder = folderWith({ 'a.pem': 'a key', retired: 'a file' })
  expect(() => putAway(join(folder, 'a.pem'))).toThrowError(
    expect.objectContaining({ code: 'file_not_written' }),
  )
  expect(readFileSync(join(folder, 'a.pem'), 'utf8')).toBe('a key')
})
