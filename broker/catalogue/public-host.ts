import ipaddr from 'ipaddr.js'
import { parse } from 'tldts'

/**
 * Whether a host is one that the world can reach, by its name or address alone: a list from outside must not have us
 * ask what stands in our own network. A name that resolves to a private address is not caught here; it would have to
 * show a certificate for that name before anything is sent.
 */
export function isPublicHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '')
  if (ipaddr.isValid(host)) return ipaddr.process(host).range() === 'unicast'
  const { domain, isIcann, isPrivate } = parse(host, { allowPrivateDomains: true })
  return domain !== null && (isIcann === true || isPrivate === true)
}
