import { describe, expect, test } from 'vitest'
import {
  boundedAgent,
  boundedPath,
  type LogLine,
  senderOf,
  sitePathOf,
  toLine,
} from '../../keys-pipeline/access-log.ts'

describe('who sent it', () => {
  test.each([
    ['no proxy', ['192.0.2.1'], '10.0.0.1', '192.0.2.1', null],
    ['one proxy', ['10.0.0.1', '192.0.2.1'], '192.0.2.1', '192.0.2.1', ['192.0.2.1']],
    [
      'a proxy that adds a port',
      ['10.0.0.1', '192.0.2.1:4711'],
      '192.0.2.1:4711',
      '192.0.2.1',
      ['192.0.2.1'],
    ],
    ['a name in the chain', ['10.0.0.1', 'evil'], 'evil', '10.0.0.1', []],
    [
      'a name before an address',
      ['10.0.0.1', '192.0.2.1'],
      'evil, 192.0.2.1',
      '192.0.2.1',
      ['192.0.2.1'],
    ],
    ['no chain at all', ['10.0.0.1'], undefined, '10.0.0.1', null],
  ])('%s', (_, walked, header, address, forwarded) => {
    expect(senderOf(walked, header)).toEqual({ address, forwarded })
  })

  test('a chain of any length is cut on the left, where a client writes', () => {
    const header = `${'198.51.100.1, '.repeat(500)}192.0.2.1`
    const { forwarded } = senderOf(['10.0.0.1', '192.0.2.1'], header)
    expect([forwarded?.length, forwarded?.at(-1)]).toEqual([16, '192.0.2.1'])
  })
})

test('a line is one line of ASCII, whatever a client sends', () => {
  const line = {
    ...{ time: 't', address: null, forwarded: null, method: 'GET', status: 200, bytes: 1 },
    ...{ userAgent: '\u202e\u001b[2J\n"', path: '/\u2028é\u007f' },
  } as LogLine
  const text = toLine(line)
  expect(text).toMatch(/^[\x20-\x7e]+\n$/)
  expect(JSON.parse(text)).toEqual(line)
})

test('what a client chooses is bounded', () => {
  expect(boundedAgent('x'.repeat(9000))?.length).toBe(256)
  expect(boundedPath('x'.repeat(9000)).length).toBe(512)
  expect(boundedAgent(undefined)).toBeNull()
})

describe('the path that is asked for', () => {
  test.each([
    ['/a.json', 'a.json'],
    ['/', 'index.html'],
    ['/?x=1', 'index.html'],
    ['/a.json?x=1', 'a.json'],
    ['http://host/a.json', 'a.json'],
    ['https://host', 'index.html'],
    ['/%2ewell-known/jwks.json', '.well-known/jwks.json'],
    ['/%ff', '/%ff'],
    ['*', '*'],
  ])('%s is %s', (target, path) => {
    expect(sitePathOf(target)).toBe(path)
  })
})
