import ipaddr from 'ipaddr.js'
import type { Certificate, Door, Evidence, Handshake } from './evidence.ts'
import type { FaultName } from './faults.ts'
import { fault, good, type Remark } from './remark.ts'

/** The way to the server: the URL, its name, each address, its certificate and TLS, and what http:// has. Pure. */
export function judgeWay(evidence: Evidence): Remark[] {
  return [
    ...judgeUrl(evidence.url),
    ...judgeNames(evidence),
    ...judgeDoors(evidence),
    ...judgeCertificates(evidence),
    ...judgeProtocols(evidence.doors),
    ...judgePlain(evidence),
  ]
}

/** Hosts whose addresses are many owners’, and those that serve files as they are in a repository. */
const SHARED_HOSTS =
  /\.(github|gitlab|bitbucket)\.io$|\.(pages|workers)\.dev$|\.(netlify|vercel)\.app$/
const RAW_HOSTS = /^(raw|gist)\.github(usercontent)?\.com$|^gist\.githubusercontent\.com$/

function judgeUrl(url: URL): Remark[] {
  const { protocol, username, password, hash, hostname, port } = url
  const found: Remark[] = []
  if (protocol !== 'https:') found.push(fault('url_not_https', `it begins with ${protocol}//`))
  if (username || password || hash) found.push(fault('url_not_plain', 'more than host and path'))
  if (ipaddr.isValid(hostname.replace(/[[\]]/g, '')))
    found.push(fault('url_is_address', `${hostname} is no name`))
  if (port !== '') found.push(fault('url_port', `port ${port}`))
  if (RAW_HOSTS.test(hostname)) found.push(fault('url_raw_host', `${hostname} shows source files`))
  if (SHARED_HOSTS.test(hostname))
    found.push(fault('url_shared_host', `${hostname} belongs to the hosting company`))
  return found.length > 0 ? found : [good('url', url.href)]
}

function judgeNames({ url, names: { addresses, isGiven } }: Evidence): Remark[] {
  if (isGiven) return [good('name', `not asked: ${addresses.join(', ')} was given`)]
  if (addresses.length === 0) return [fault('name_not_found', `no address for ${url.hostname}`)]
  const hidden = addresses.filter(each => ipaddr.process(each).range() !== 'unicast')
  if (hidden.length > 0)
    return [fault('name_private', `${hidden.join(', ')} can be reached from within only`)]
  const isFour = (text: string): boolean => ipaddr.process(text).kind() === 'ipv4'
  if (!addresses.some(isFour)) return [fault('name_without_ipv4', addresses.join(', '))]
  return [good('name', `${url.hostname} is ${addresses.join(', ')}`)]
}

function judgeDoors({ doors, url }: Evidence): Remark[] {
  // Where this machine has no IPv6, nothing is known of those addresses.
  const tried = doors.filter(each => each.reached !== 'no_route')
  const skipped = doors.length - tried.length
  const shut = tried.filter(each => each.reached !== 'open')
  if (doors.length === 0) return []
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  const said = shut.map(({ address, reached }) => `${address} port ${port}: ${reached}`).join('; ')
  if (tried.length === 0) {
    const isKnown = doors.some(each => ipaddr.process(each.address).kind() === 'ipv4')
    return isKnown ? [fault('door_closed', 'there is no route to any address')] : []
  }
  if (shut.length === tried.length) return [fault('door_closed', said)]
  if (shut.length > 0) return [fault('door_of_one_closed', said)]
  const note = skipped > 0 ? `; ${skipped} not tried, no route from this machine` : ''
  return [
    good('door', `port ${port} is open at ${tried.length} of ${tried.length} addresses${note}`),
  ]
}

const DAY = 86_400_000
const DAYS_LEFT = 14
/** What public authorities sign, RSA. @see CA/Browser Forum, Baseline Requirements §6.1.5 */
const LEAST_BITS = 2048

/** OpenSSL’s words, where one of ours says more. */
const MISTRUST: Readonly<Record<string, FaultName>> = {
  CERT_HAS_EXPIRED: 'certificate_expired',
  CERT_NOT_YET_VALID: 'certificate_not_yet_valid',
}

function judgeCertificates({ doors, url, at }: Evidence): Remark[] {
  const shown = doors.flatMap(({ tls }) => tls ?? [])
  if (shown.length === 0) return []
  const found = shown.flatMap(each => certificateFaults(each, url.hostname, at))
  // Servers behind one name mostly have one fault, which is said once.
  const [first, ...others] = [...new Map(found.map(each => [each.code, each])).values()]
  if (first) return [first, ...others]
  const certificates = shown.flatMap(each => each.certificate ?? [])
  const [certificate] = certificates
  if (certificate === undefined) return []
  if (certificates.some(each => each.fingerprint !== certificate.fingerprint))
    return [fault('certificates_differ', 'not all addresses show the same one')]
  const { issuer, to } = certificate
  return [
    good(
      'certificate',
      `by ${nameIn(issuer)}, trusted, for ${url.hostname}, ${daysTo(to, at)} days left`,
    ),
  ]
}

function certificateFaults(
  { failure, mistrust, certificate, older }: Handshake,
  host: string,
  at: number,
): Remark[] {
  if (failure !== null)
    return isVersionFailure(failure) && older.length > 0 ? [] : [handshakeFault(failure)]
  const found: Remark[] = []
  const bits = certificate?.rsaBits ?? LEAST_BITS
  if (bits < LEAST_BITS) found.push(fault('certificate_weak', `an RSA key of ${bits} bits`))
  // OpenSSL’s word for a key that it finds too small is one that Node does not know.
  else if (mistrust !== null) found.push(mistrustFault(mistrust, certificate))
  if (certificate === null) return found
  if (!certificate.isForHost)
    found.push(
      fault('certificate_other_name', `it is for ${nameIn(certificate.subject)}, not for ${host}`),
    )
  const days = daysTo(certificate.to, at)
  if (mistrust === null && days < DAYS_LEFT)
    found.push(fault('certificate_ends_soon', `${days} days left`))
  return found
}

/** The two share no version, said by either. */
const isVersionFailure = (failure: string): boolean =>
  /UNSUPPORTED_PROTOCOL|ALERT_PROTOCOL_VERSION|VERSION_TOO_LOW|NO_PROTOCOLS/.test(failure)

function handshakeFault(failure: string): Remark {
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST/.test(failure))
    return fault('tls_none', 'the port speaks something else, perhaps plain HTTP')
  if (/ALERT_(CERTIFICATE_REQUIRED|BAD_CERTIFICATE)/.test(failure))
    return fault('client_certificate_asked', `the server ended TLS for want of one: ${failure}`)
  return fault('tls_failed', `the handshake failed: ${failure}`)
}

function mistrustFault(mistrust: string, certificate: Certificate | null): Remark {
  const known = MISTRUST[mistrust]
  if (known === 'certificate_expired')
    return fault(
      known,
      certificate ? `it ended ${dateOf(certificate.to)}, or one above it did` : mistrust,
    )
  if (known === 'certificate_not_yet_valid')
    return fault(known, certificate ? `it begins ${dateOf(certificate.from)}` : mistrust)
  // One certificate came, of an authority that publishes its own: the one between is what is missing.
  if (mistrust === 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' && certificate?.namesIssuer)
    return fault(
      'chain_incomplete',
      `nothing above it was sent; its issuer is ${nameIn(certificate.issuer)}`,
    )
  const issuer = certificate ? `, issuer ${nameIn(certificate.issuer)}` : ''
  return fault('certificate_untrusted', `${mistrust}${issuer}`)
}

function judgeProtocols(doors: readonly Door[]): Remark[] {
  const shaken = doors.flatMap(({ tls }) => tls ?? [])
  const failed = shaken.filter(
    ({ failure, older }) => failure !== null && isVersionFailure(failure) && older.length > 0,
  )
  if (failed.length > 0)
    return [fault('tls_too_old', `nothing newer than ${failed[0]?.older.at(-1)} is spoken`)]
  const spoken = shaken.filter(each => each.failure === null)
  const [first] = spoken
  if (first === undefined) return []
  const old = [...new Set(spoken.flatMap(each => each.older))].filter(each => each !== 'TLSv1.2')
  if (old.length > 0) return [fault('tls_old_accepted', `${old.join(', ')} is spoken too`)]
  if (spoken.some(each => each.protocol === 'TLSv1.3' && !each.older.includes('TLSv1.2')))
    return [fault('tls_only_newest', 'nothing older than TLSv1.3 is spoken')]
  return [good('protocol', first.protocol === 'TLSv1.3' ? 'TLSv1.3 and TLSv1.2' : 'TLSv1.2')]
}

function judgePlain({ url, plain }: Evidence): Remark[] {
  if (plain === null) return []
  if (plain.failure !== null) return [good('plain', 'nothing answers over http')]
  const { status, headers } = plain
  if (status < 300 || status >= 400)
    return status < 300
      ? [fault('http_served', `status ${status} over http`)]
      : [good('plain', `status ${status} over http`)]
  const target = headers['location'] ?? ''
  const { href } = URL.canParse(target, plain.url) ? new URL(target, plain.url) : { href: target }
  return href === url.href
    ? [good('plain', `status ${status} to the URL itself`)]
    : [fault('http_elsewhere', `status ${status} to ${href}`)]
}

/** The common name, or all of it where there is none. */
const nameIn = (subject: string | undefined): string =>
  /(?:^|\n)CN=([^\n]*)/.exec(subject ?? '')?.[1] ?? subject?.replaceAll('\n', ', ') ?? '(no name)'

const daysTo = (time: number, at: number): number => Math.floor((time - at) / DAY)
const dateOf = (time: number): string => new Date(time).toISOString().slice(0, 10)
