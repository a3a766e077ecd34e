import { describe, expect, test } from 'vitest'
import {
  addressIn,
  isWithin,
  type Network,
  networkIn,
  networkOf,
} from '../../keys-pipeline/networks.ts'

describe('an address has one spelling', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['192.0.2.1:443', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:DB8:0:0::1', '2001:db8::1'],
    ['[2001:db8::1]:443', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['0x7f.1', null],
    ['010.0.0.1', null],
    ['127.1', null],
    ['unknown', null],
    ['', null],
    ['1.2.3.4\n', null],
    ['x'.repeat(1000), null],
    [undefined, null],
  ])('%j is %j', (text, address) => {
    expect(addressIn(text)).toBe(address)
  })
})

describe('a network', () => {
  test.each([
    ['192.0.2.0/24', '192.0.2.0/24'],
    ['192.0.2.77/24', '192.0.2.0/24'],
    ['192.0.2.77', '192.0.2.77/32'],
    ['2001:db8::/32', '2001:db8::/32'],
    ['::ffff:192.0.2.0/120', '192.0.2.0/24'],
    ['0.0.0.0/0', null],
    ['::/0', null],
    ['192.0.2.0/33', null],
    ['192.0.2.0/024', null],
    ['192.0.2.0/24/8', null],
    ['everything', null],
    ['', null],
  ])('%s is %s', (text, read) => {
    expect(networkIn(text)?.text ?? null).toBe(read)
  })
})

test.each([
  ['192.0.2.77', '192.0.2.0/24'],
  ['2001:db8:1:2::3', '2001:db8:1::/48'],
])('%s is counted under %s', (address, network) => {
  expect(networkOf(address)).toBe(network)
})

test('an address is within a network of its own family alone', () => {
  const networks = ['192.0.2.0/25', '2001:db8::/32'].map(each => networkIn(each) as Network)
  expect(
    ['192.0.2.1', '192.0.2.128', '2001:db8::1', '2001:db9::1'].map(each =>
      isWithin(each, networks),
    ),
  ).toEqual([true, false, true, false])
})
