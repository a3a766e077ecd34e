import { readFileSync } from 'node:fs'
import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/schema'
import { parseDocument } from 'yaml'
import { finding, PipelineError, refuseAny } from './errors.ts'

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
    /** The base URL before this one, where no EHR has it any more, and why. */
    moved: Type.Optional(
      Type.Object(
        { from: Type.String(), reason: Type.String({ minLength: 1 }) },
        { additionalProperties: false },
      ),
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
  const opened = openSettings(text)
  if (!Array.isArray(opened)) return opened
  refuseAny(opened.map(message => finding('settings_invalid', show(path), message)))
  throw new Error('what is not good has a complaint')
}

/** The settings, or all that is wrong with them. */
export function openSettings(text: string): Settings | string[] {
  const document = parseDocument(text)
  const faults = [...document.errors, ...document.warnings]
  if (faults.length > 0) return faults.map(fault => fault.message.split('\n')[0] ?? 'not YAML')
  let value: unknown
  try {
    value = document.toJS()
  } catch {
    return ['an alias leads nowhere, or there are too many of them']
  }
  const [good, errors] = settings.Errors(value)
  if (!good) return errors.map(error => `${error.instancePath || '/'} ${error.message}`)
  const complaints = crossCheck(value as Settings)
  return complaints.length > 0 ? complaints : (value as Settings)
}

function crossCheck({ baseUrl, environments, moved }: Settings): string[] {
  const bases = { '/baseUrl': baseUrl, ...(moved && { '/moved/from': moved.from }) }
  const found = Object.entries(bases)
    .filter(([, base]) => !isBase(base))
    .map(
      ([name]) =>
        `${name} must be an https URL without user, query or fragment, and without a slash at the end`,
    )
  return [...found, ...pathFaults(environments.production.path, environments.nonprod.path)]
}

/** Written as it is fetched: what new URL() would mend, somebody else would not. */
function isBase(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, username, password, search, hash, href } = new URL(text)
  const isPlain = protocol === 'https:' && `${username}${password}${search}${hash}` === ''
  return isPlain && !text.endsWith('/') && (href === text || href === `${text}/`)
}

function pathFaults(production: string, nonprod: string): string[] {
  const found: string[] = []
  if (production === nonprod)
    found.push('/environments production and nonprod must have different paths')
  if (production.startsWith(`${nonprod}/`) || nonprod.startsWith(`${production}/`)) {
    found.push('/environments one path lies below the other')
  }
  for (const path of [production, nonprod]) {
    if (path.split('/').some(part => part === '.' || part === '..'))
      found.push(`/environments ${path} leaves the site`)
    if (path === 'publication.json')
      found.push(`/environments ${path} is the list of what is published`)
  }
  return found
}

/** The URL that is registered with an EHR. */
export function keySetUrl(baseUrl: string, path: string): string {
  return `${baseUrl.replace(/\/$/, '')}/${path}`
}
