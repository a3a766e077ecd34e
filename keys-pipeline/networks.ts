import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

type Parsed = ReturnType<typeof ipaddr.process>

export interface Network {
  /** As it is written everywhere: host bits zero, IPv4-mapped IPv6 as IPv4. */
  text: string
  address: Parsed
  bits: number
}

/** The longest text of an IPv6 address with a zone and brackets that anybody means in earnest. */
const LONGEST = 80

/**
 * An address in its one spelling: IPv4-mapped IPv6 as IPv4, IPv6 as RFC 5952 §4, without a zone, and without the port
 * that some proxies add. Null for anything else: what comes back has no character that could play a trick.
 */
export function addressIn(text: string | undefined): string | null {
  return parsedOf(text)?.toString() ?? null
}

function parsedOf(text: string | undefined): Parsed | null {
  if (text === undefined || text.length > LONGEST) return null
  const bare = text.replace(/^\[([^[\]]*)\](:\d{1,5})?$|^([\d.]+):\d{1,5}$/, '$1$3')
  // The parser alone would take 0x7f.1 and 010.0.0.1 for addresses.
  if (isIP(bare) === 0 || !ipaddr.isValid(bare)) return null
  const parsed = ipaddr.process(bare)
  return parsed.kind() === 'ipv6' ? new ipaddr.IPv6(parsed.toByteArray()) : parsed
}

/**
 * `192.0.2.0/24`, or an address for itself. Null where it is neither, or is everything (`/0`): to trust or to look for
 * everybody is a mistake.
 */
export function networkIn(text: string): Network | null {
  const [host = '', length, ...more] = text.split('/')
  const written = isIP(host) === 0 ? null : parsedOf(host)
  if (written === null || more.length > 0) return null
  const width = written.kind() === 'ipv4' ? 32 : 128
  if (length !== undefined && !/^[1-9]\d{0,2}$/.test(length)) return null
  // Of an IPv4-mapped network the first 96 bits are the mark of IPv4.
  const mark = isIP(host) === 6 && width === 32 ? 96 : 0
  const bits = length === undefined ? width : Number(length) - mark
  if (bits < 1 || bits > width) return null
  const address = masked(written, bits)
  return { text: `${address}/${bits}`, address, bits }
}

/** The network that an address of `addressIn` is counted under: what one site commonly has, IPv4 /24 or IPv6 /48. */
export function networkOf(address: string): string {
  const parsed = ipaddr.parse(address)
  const bits = parsed.kind() === 'ipv4' ? 24 : 48
  return `${masked(parsed, bits)}/${bits}`
}

/** Whether an address of `addressIn` lies in one of the networks. */
export function isWithin(address: string, networks: readonly Network[]): boolean {
  const parsed = ipaddr.parse(address)
  return networks.some(
    each => each.address.kind() === parsed.kind() && parsed.match(each.address, each.bits),
  )
}

function masked(address: Parsed, bits: number): Parsed {
  const kind = address.kind() === 'ipv4' ? ipaddr.IPv4 : ipaddr.IPv6
  return kind.networkAddressFromCIDR(`${address}/${bits}`)
}
