import { InvalidArgumentError, Option } from 'commander'
import type { Environment } from '../../keys-pipeline/key-set.ts'
import { authoritiesFault } from '../certificates.ts'
import { BrokerError } from '../errors.ts'
import { readText } from '../files.ts'
import { PROFILES, type ProfileName } from '../profiles.ts'
import { parseScopeList } from '../scopes.ts'
import type { Terminal } from './terminal.ts'

/** What an operator says of upstreams when EHRs are asked for the rest. */
export interface UpstreamOptions {
  environment: Environment
  profile: ProfileName
  scopes: readonly string[]
}

/** How EHRs are asked. */
export interface AskOptions {
  clientId?: string
  accept?: readonly string[]
  ca?: string
  deadline: number
  json?: true
}

/** The options that several commands share. */
export function optionsIn({ path }: Terminal) {
  return {
    clientId: () =>
      new Option('--client-id <id>', 'our client ID there; sent as Epic-Client-ID').argParser(
        clientIdIn,
      ),
    environment: () =>
      new Option('--environment <name>', 'whose keys sign').choices(['production', 'nonprod']),
    profile: () => new Option('--profile <vendor>', 'the vendor').choices(Object.keys(PROFILES)),
    scopes: () =>
      new Option(
        '--scopes <scopes>',
        'what the app was registered with, separated by spaces or commas',
      ).argParser(scopesIn),
    accept: (help: string) => new Option('--accept <host>', help).argParser(hostsIn),
    ca: () =>
      new Option('--ca <file>', 'PEM of authorities to trust in place of the system’s').argParser(
        path,
      ),
    deadline: () =>
      new Option('--deadline <seconds>', 'for each answer').default(15).argParser(secondsIn),
    json: () => new Option('--json', 'one JSON document on standard output'),
  }
}

/** Bytes. The system's own bundle has 220 KB. */
const MOST_CA_BYTES = 1024 * 1024

/** PEM of the authorities that are named; null for the system's. Refused: `file_unreadable`. */
export function authoritiesIn({ ca }: AskOptions): string | null {
  if (ca === undefined) return null
  const pem = readText(ca, MOST_CA_BYTES)
  const reason = authoritiesFault(pem)
  if (reason !== null) throw new BrokerError('file_unreadable', { file: ca, reason })
  return pem
}

function clientIdIn(text: string): string {
  if (/^[\x21-\x7e]{1,256}$/.test(text)) return text
  throw new InvalidArgumentError('It must be printable ASCII without spaces, 256 at the most.')
}

function scopesIn(text: string): string[] {
  const scopes = parseScopeList(text.trim().replace(/[\s,]+/g, ' '))
  if (scopes?.every(each => each.length <= 200)) return scopes
  throw new InvalidArgumentError('It must be scopes such as system/Patient.read.')
}

function hostsIn(text: string, before: readonly string[] = []): string[] {
  const url = `https://${text}/`
  const host = URL.canParse(url) ? new URL(url) : null
  if (host?.href === `https://${host?.hostname}/`) return [...before, host.hostname]
  throw new InvalidArgumentError('It must be the name of a host, without scheme, port or path.')
}

function secondsIn(text: string): number {
  if (/^[1-9]\d{0,2}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a whole number of seconds, 1 to 999.')
}
