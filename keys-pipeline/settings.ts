import { readFileSync } from 'node:fs'
import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/schema'
import { parseDocument } from 'yaml'
import { type Finding, finding, PipelineError } from './errors.ts'

const Path = Type.Object(
  { path: Type.String({ pattern: '^([A-Za-z0-9._-]+/)*[A-Za-z0-9._-]+\\.json$' }) },
  { additionalProperties: false },
)

const Settings = Type.Object(
  {
    baseUrl: Type.String(),
    environments: Type.Object({ production: Path, nonprod: Path }, { additionalProperties: false }),
    guard: Type.Object(
      { live: Type.Integer({ minimum: 0 }), retired: Type.Integer({ minimum: 0 }) },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
)

const settings = Compile(Settings)

/** `publisher.yaml`: where the sets are served, and how long a key is live before it signs and rests after. */
export type Settings = Static<typeof Settings>

/** Every complaint at once. Refused: `settings_invalid`. */
export function readSettings(path: string, show: (path: string) => string): Settings {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    throw new PipelineError(
      finding('file_unreadable', show(path), 'the settings of the publisher cannot be read'),
    )
  }
  const [first, ...others] = complaints(text).map(message =>
    finding('settings_invalid', show(path), message),
  )
  if (first) throw new PipelineError(first, ...others)
  return parseDocument(text).toJS() as Settings
}

function complaints(text: string): Finding['message'][] {
  const document = parseDocument(text)
  if (document.errors.length > 0)
    return document.errors.map(error => error.message.split('\n')[0] ?? 'not YAML')
  const value: unknown = document.toJS()
  const [good, errors] = settings.Errors(value)
  if (!good) return errors.map(error => `${error.instancePath || '/'} ${error.message}`)
  const { baseUrl, environments } = value as Settings
  const { production, nonprod } = environments
  const found: string[] = []
  if (!URL.canParse(baseUrl) || !isPlainHttps(new URL(baseUrl))) {
    found.push(
      '/baseUrl must be an https URL without user, query or fragment, and without a slash at the end',
    )
  }
  if (production.path === nonprod.path)
    found.push('/environments production and nonprod must have different paths')
  for (const { path } of [production, nonprod]) {
    if (path.split('/').some(part => part === '.' || part === '..'))
      found.push(`/environments ${path} leaves the site`)
  }
  return found
}

const isPlainHttps = (url: URL): boolean =>
  url.protocol === 'https:' &&
  !url.username &&
  !url.password &&
  !url.search &&
  !url.hash &&
  !url.href.endsWith('//')

/** The URL that is registered with an EHR. */
export function keySetUrl(baseUrl: string, path: string): string {
  return `${baseUrl.replace(/\/$/, '')}/${path}`
}
