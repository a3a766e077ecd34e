import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ckrOf, closeLibraries, openLibrary } from '../../../broker/pkcs11/cryptoki.ts'
import { SOFTHSM, softToken } from '../../support/token.ts'

test('a library is initialised once in a process, however often it is asked for', async () => {
  softToken()
  const first = await openLibrary(SOFTHSM)
  expect(first).not.toHaveProperty('fault')
  expect(await openLibrary(SOFTHSM)).toBe(first)
  closeLibraries()
  expect(await openLibrary(SOFTHSM)).not.toBe(first)
})

test('what is no library, and one that cannot be initialised, are told apart', async () => {
  const token = softToken()
  expect(await openLibrary('/nowhere.so')).toEqual({ fault: 'library', ckr: null })
  writeFileSync(token.env.SOFTHSM2_CONF, 'directories.tokendir = /nowhere\n')
  expect(await openLibrary(SOFTHSM)).toEqual({
    fault: 'library',
    ckr: expect.stringMatching(/^CKR_/),
  })
  writeFileSync(token.env.SOFTHSM2_CONF, `directories.tokendir = ${join(token.folder, 'tokens')}\n`)
  expect(await openLibrary(SOFTHSM)).not.toHaveProperty('fault')
})

test.each([
  [new Error('CKR_PIN_INCORRECT'), 'CKR_PIN_INCORRECT'],
  [new Error('CKR_VENDOR_DEFINED:2147483648'), 'CKR_VENDOR_DEFINED'],
  [new Error('dlopen failed'), null],
  ['CKR_OK', null],
])('the word of the library: %s', (error, word) => {
  expect(ckrOf(error)).toBe(word)
})
