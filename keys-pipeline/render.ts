import { hash } from 'node:crypto'
import { headersFile } from './headers.ts'
import { type PublicKey, toPem } from './jwk.ts'
import { ENVIRONMENTS, type Environment, inOrder, serializeKeySet } from './key-set.ts'
import type { Lifecycle } from './lifecycle.ts'
import { indexPage, notFoundPage } from './page.ts'
import { keySetUrl, type Settings } from './settings.ts'

/** Path in the site → text. */
export type Site = ReadonlyMap<string, string>

/** The files of `site/`: two pages, and the style and the script that stand in them. */
export interface Templates {
  index: string
  notFound: string
  style: string
  script: string
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
  const shown = ENVIRONMENTS.map(name => {
    const { keys, lifecycle } = environments[name]
    const { path } = settings.environments[name]
    const url = keySetUrl(settings.baseUrl, path)
    return { name, path, url, keys: inOrder(keys), lifecycle }
  })
  const begun = shown.filter(({ keys }) => keys.length > 0)
  const site = new Map<string, string>()
  for (const { path, keys } of begun) site.set(path, serializeKeySet(keys))
  site.set('index.html', indexPage(templates, settings.baseUrl, shown))
  site.set('404.html', notFoundPage(templates, settings.baseUrl, begun))
  for (const key of begun.flatMap(({ keys }) => keys)) {
    site.set(`keys/${key.thumbprint}.pem`, toPem(key.jwk))
  }
  site.set('_headers', headersFile(site))
  site.set('.nojekyll', '')
  const files = Object.fromEntries(
    [...site].map(([path, text]) => [path, hash('sha256', text, 'hex')]),
  )
  site.set('publication.json', `${JSON.stringify({ commit, files }, null, 2)}\n`)
  return site
}
