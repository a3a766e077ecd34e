import type { Complaint } from './config-rules.ts'
import type { ConfigFile } from './config-schema.ts'
import { isSafeUrl } from './urls.ts'

/** Where traces go. */
export interface TracesConfig {
  /** Of an OTLP/HTTP receiver, whole: `https://collector.example.com:4318/v1/traces`. */
  endpoint: string
  headers: Readonly<Record<string, string>>
  /** PEM of the authorities trusted for it; null for the system's. */
  ca: string | null
  /** The share of requests that is traced, 0 to 1, where the caller has not decided it. */
  sampleRatio: number
}

const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x21-\x7e][\x20-\x7e]*)$/

/** Where traces go as the config has it. Complains of what cannot be; what a header holds is never repeated. */
export function settleTraces(
  { endpoint, headersFile, ca, sampleRatio }: NonNullable<ConfigFile['traces']>,
  tools: {
    readSecret: (given: string, at: string) => Buffer
    readAuthorities: (given: string, at: string) => string
    complaints: Complaint[]
  },
): TracesConfig {
  const { readSecret, readAuthorities, complaints } = tools
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null
  if (url === null || !isSafeUrl(url) || url.username !== '' || url.password !== '')
    complaints.push({
      at: '/traces/endpoint',
      message: 'must be an https URL (http on a loopback address) without a user',
    })
  const lines =
    headersFile === undefined
      ? []
      : readSecret(headersFile, '/traces/headersFile')
          .toString('utf8')
          .split(/\r?\n/)
          .map(line => line.trim())
          .filter(line => line !== '')
  const headers = lines.map(line => HEADER.exec(line))
  const strange = headers.indexOf(null)
  if (strange >= 0)
    complaints.push({
      at: '/traces/headersFile',
      message: `has a line that is no “name: value” (number ${strange + 1} of those that are not empty)`,
    })
  return {
    ...{ endpoint, sampleRatio: sampleRatio ?? 1 },
    headers: Object.fromEntries(
      headers.flatMap(header => (header ? [[header[1] ?? '', (header[2] ?? '').trimEnd()]] : [])),
    ),
    ca: ca === undefined ? null : readAuthorities(ca, '/traces/ca'),
  }
}
