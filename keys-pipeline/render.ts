import { hash } from 'node:crypto'
import { headersFile } from './headers.ts'
import { type PublicKey, toPem } from './jwk.ts'
import { ENVIRONMENTS, type Environment, inOrder, serializeKeySet } from './key-set.ts'
import type { Lifecycle } from './lifecycle.ts'
import { keySetUrl, type Settings } from './settings.ts'

/** Path in the site → text. */
export type Site = ReadonlyMap<string, string>

export interface Templates {
  index: string
  notFound: string
  style: string
}

type Keys = Record<Environment, { keys: readonly PublicKey[]; lifecycle: Lifecycle }>

/**
 * The whole site from what is published: same keys, same settings, same commit, same bytes. An environment without
 * keys has no file, since an empty key set would be cached by whoever fetched it.
 */
export function render(
  environments: Keys,
  settings: Settings,
  templates: Templates,
  commit: string | null,
): Site {
  const begun = ENVIRONMENTS.filter(environment => environments[environment].keys.length > 0)
  const pathOf = (environment: Environment): string => settings.environments[environment].path
  const site = new Map<string, string>()
  for (const environment of begun)
    site.set(pathOf(environment), serializeKeySet(environments[environment].keys))
  for (const key of begun.flatMap(environment => inOrder(environments[environment].keys))) {
    site.set(`keys/${key.thumbprint}.pem`, toPem(key.jwk))
  }
  const served = [...site.keys()]
  const page = pageWith(templates)
  const sections = ENVIRONMENTS.map(environment =>
    sectionOf(
      environment,
      keySetUrl(settings.baseUrl, pathOf(environment)),
      environments[environment],
    ),
  )
  site.set('index.html', page(templates.index, { environments: sections.join('\n') }))
  site.set('404.html', page(templates.notFound, { home: html(settings.baseUrl) }))
  site.set('.nojekyll', '')
  site.set('_headers', headersFile(served))
  const files = Object.fromEntries(
    [...site].map(([path, text]) => [path, hash('sha256', text, 'hex')]),
  )
  site.set('publication.json', `${JSON.stringify({ commit, files }, null, 2)}\n`)
  return site
}

function sectionOf(
  environment: Environment,
  url: string,
  { keys, lifecycle }: { keys: readonly PublicKey[]; lifecycle: Lifecycle },
): string {
  const heading = `<h2 id="${environment}">${environment === 'production' ? 'Production' : 'Non-production'}</h2>`
  if (keys.length === 0) return `<section>\n${heading}\n<p>No key is published yet.</p>\n</section>`
  const rows = inOrder(keys).map(key => {
    const { kid, alg, kty } = key.jwk
    const entry = lifecycle[key.thumbprint]
    const cells = [
      `<th scope="row"><code>${html(kid)}</code></th>`,
      `<td>${alg}</td>`,
      `<td>${kty}, ${key.bits} bits</td>`,
      `<td>${entry ? `<time>${entry.created.slice(0, 10)}</time>` : 'not recorded'}</td>`,
      `<td>${entry?.role ?? 'signer'}</td>`,
      `<td><a href="keys/${key.thumbprint}.pem">PEM</a></td>`,
    ]
    return `<tr>${cells.join('')}</tr>`
  })
  const names = ['Key ID', 'Algorithm', 'Key', 'Created', 'Role', 'Download']
  const head = names.map(name => `<th scope="col">${name}</th>`).join('')
  return [
    `<section aria-labelledby="${environment}">`,
    heading,
    `<p>Register this URL: <code class="url">${html(url)}</code></p>`,
    `<div class="scroll" role="region" aria-labelledby="${environment}" tabindex="0"><table>`,
    `<thead><tr>${head}</tr></thead>`,
    `<tbody>\n${rows.join('\n')}\n</tbody></table></div>`,
    '</section>',
  ].join('\n')
}

/** Fills a template; the style stands in the page, and the policy names its hash, so that nothing else can load. */
function pageWith({
  style,
}: Templates): (template: string, values: Record<string, string>) => string {
  const policy = `default-src 'none'; style-src 'sha256-${hash('sha256', style, 'base64')}'; base-uri 'none'; form-action 'none'`
  return (template, values) => {
    const all: Record<string, string> = { ...values, style: `<style>${style}</style>`, policy }
    return template.replace(/\{\{(\w+)\}\}/g, (_, name: string) => all[name] ?? '')
  }
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

const html = (text: string): string => text.replace(/[&<>"']/g, char => ENTITIES[char] ?? char)
