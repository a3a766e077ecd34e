import { expect, test } from 'vitest'
import { twinFaults } from '../../../broker/keys/twins.ts'

const key = (file: string, kid: string, thumbprint = file) => ({ file, kid, thumbprint })

test.each([
  ['keys of their own', [key('a', '1'), key('b', '2'), key('c', '3')], []],
  ['one key in two files', [key('a', '1', 'x'), key('b', '2', 'x')], [/a and b are the same key/]],
  [
    'one kid for two keys',
    [key('a', '1'), key('b', '2'), key('c', '1')],
    [/a and c have the same kid/],
  ],
  [
    'one key in three files',
    [key('a', '1', 'x'), key('b', '1', 'x'), key('c', '1', 'x')],
    [/a and b/, /a and c/],
  ],
])('%s', (_, keys, faults) => {
  expect(twinFaults(keys)).toEqual(faults.map(each => expect.stringMatching(each)))
})
