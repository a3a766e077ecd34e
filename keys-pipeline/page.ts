import { hash } from 'node:crypto'
import { fill, Html, html } from './html.ts'
import { fingerprint, type PublicKey } from './jwk.ts'
import type { Environment } from './key-set.ts'
import type { Lifecycle } from './lifecycle.ts'
import type { Templates } from './render.ts'

/** One environment as people see it, its keys in the order of the key set. */
export interface Shown {
  name: Environment
  /** In the site. */
  path: string
  url: string
  keys: readonly PublicKey[]
  lifecycle: Lifecycle
}

const TITLES: Readonly<Record<Environment, string>> = {
  production: 'Production',
  nonprod: 'Non-production',
}

/** What is published, for people: whole without a script, and no text of a key is ever HTML. */
export function indexPage(
  templates: Templates,
  baseUrl: string,
  environments: readonly Shown[],
): string {
  return page(templates.index, templates, {
    place: html`${baseUrl.replace(/^https?:\/\//, '')}`,
    contents: html`${environments.map(({ name }) => html`<li><a href="#${name}">${TITLES[name]}</a></li>`)}`,
    environments: html`${environments.map(each => environmentSection(each, baseUrl))}`,
  })
}

/** What a mistyped address gets: where the key sets are. It is served at any depth, so its links are whole URLs. */
export function notFoundPage(
  templates: Templates,
  baseUrl: string,
  begun: readonly Shown[],
): string {
  const sets = begun.map(
    ({ name, url }) =>
      html`<div><dt>${TITLES[name]}</dt><dd><a href="${url}"><code>${url}</code></a></dd></div>`,
  )
  return page(templates.notFound, templates, {
    home: html`${baseUrl}/`,
    sets:
      begun.length > 0
        ? html`<p>The key sets are here:</p>\n<dl class="sets">\n${sets}\n</dl>`
        : html`<p>No key set is published yet.</p>`,
  })
}

/** Style and script stand in the page, and its policy names their hashes, so that nothing else can load or run. */
function page(
  template: string,
  { style, script }: Templates,
  values: Readonly<Record<string, Html>>,
): string {
  const source = (text: string): string => `'sha256-${hash('sha256', text, 'base64')}'`
  const scripts = template.includes('{{script}}') ? `script-src ${source(script)}; ` : ''
  const policy = `default-src 'none'; style-src ${source(style)}; ${scripts}img-src data:; base-uri 'none'; form-action 'none'`
  return fill(template, {
    ...values,
    policy: new Html(policy),
    style: new Html(`<style>${style}</style>`),
    script: new Html(`<script>${script}</script>`),
  })
}

function environmentSection(shown: Shown, baseUrl: string): Html {
  const { name, keys, lifecycle } = shown
  const published =
    keys.length === 0
      ? html`<p>No key is published here yet, and so there is no URL to register.</p>`
      : html`${keySetLocation(shown)}
<ul class="keys">
${keys.map(key => keyCard(key, lifecycle, baseUrl))}
</ul>`
  return html`<section aria-labelledby="${name}">
<h2 id="${name}">${TITLES[name]}</h2>
${published}
${retiredKeys(lifecycle)}
</section>`
}

function keySetLocation({ name, path, url, keys }: Shown): Html {
  return html`<div class="location">
<p class="label">JWK Set URL</p>
<p class="copyable"><code class="url" id="${name}-url">${url}</code>
${copyButton(`${name}-url`, `the ${TITLES[name]} URL`)}</p>
<p class="actions"><a href="${path}">Open the key set<span class="unseen"> of ${TITLES[name]}</span></a>
<span>${count(keys.length, 'key')}</span></p>
${command(`${name}-fetch`, 'Check with curl', `curl -sS -D - ${shellWord(url)}`)}
</div>`
}

function keyCard(key: PublicKey, lifecycle: Lifecycle, baseUrl: string): Html {
  const { jwk, thumbprint } = key
  const entry = lifecycle[thumbprint]
  const file = `keys/${thumbprint}.pem`
  const isNamedByPrint = jwk.kid === thumbprint
  const kind = jwk.kty === 'EC' ? `EC, ${jwk.crv}` : `RSA, ${key.bits} bits`
  const rows = [
    row('Algorithm', html`${jwk.alg}`),
    row('Key', html`${kind}`),
    row('Added', entry ? day(entry.created) : html`not recorded`),
    row(
      'Public key',
      html`<a href="${file}" download aria-describedby="key-${thumbprint}">PEM file</a>`,
    ),
    wideRow('SHA-256 fingerprint', html`<code class="hash">${inGroups(fingerprint(jwk))}</code>`),
    ...(isNamedByPrint ? [] : [wideRow(THUMBPRINT, html`<code class="hash">${thumbprint}</code>`)]),
  ]
  return html`<li>
<h3 id="key-${thumbprint}"><span class="label">Key ID${isNamedByPrint ? ` (${THUMBPRINT})` : ''}</span>
<code class="kid">${jwk.kid}</code>${entry?.role === 'standby' ? STANDBY : html``}</h3>
<dl>
${rows}
</dl>
${command(`check-${thumbprint}`, 'Check with OpenSSL', fingerprintCommand(`${baseUrl}/${file}`))}
</li>`
}

const THUMBPRINT = 'RFC 7638 thumbprint'
const STANDBY = html` <span class="badge">standby</span>`

const row = (name: string, value: Html): Html => html`<div><dt>${name}</dt><dd>${value}</dd></div>`
const wideRow = (name: string, value: Html): Html =>
  html`<div class="wide"><dt>${name}</dt><dd>${value}</dd></div>`

/** The keys that went, newest first. Without the reasons: they are told to colleagues, and may tell too much. */
function retiredKeys(lifecycle: Lifecycle): Html {
  const gone = Object.entries(lifecycle)
    .flatMap(([print, { kid, retired }]) => (retired ? [{ print, kid, at: retired.at }] : []))
    .sort((a, b) => (`${a.at} ${a.print}` < `${b.at} ${b.print}` ? 1 : -1))
  if (gone.length === 0) return html``
  const items = gone.map(({ print, kid, at }) => {
    const also = kid === print ? html`` : html` (${THUMBPRINT} <code class="hash">${print}</code>)`
    return html`<li>${day(at)} <code class="kid">${kid}</code>${also}</li>`
  })
  return html`<details class="retired">
<summary>${count(gone.length, 'retired key')}</summary>
<p>We sign with none of these any more. If you loaded one by hand, remove it.</p>
<ul>
${items}
</ul>
</details>`
}

/** What OpenSSL prints for a PEM of ours: its last word is the fingerprint that the page shows. */
const fingerprintCommand = (url: string): string =>
  `curl -sSf ${shellWord(url)} | openssl pkey -pubin -outform DER | openssl dgst -sha256`

function command(id: string, summary: string, line: string): Html {
  return html`<details>
<summary>${summary}</summary>
<div class="copyable"><pre><code id="${id}">${line}</code></pre>
${copyButton(id, 'the command')}</div>
</details>`
}

/** Hidden until the script finds that it may copy. */
const copyButton = (source: string, what: string): Html =>
  html`<button type="button" hidden data-copy="${source}"><span>Copy</span><span class="unseen"> ${what}</span></button>`

/** The day in UTC, as the lifecycle file has it. */
const day = (time: string): Html => html`<time datetime="${time}">${time.slice(0, 10)}</time>`

/** Eights that an eye can compare and a line can break between; what is copied has no gaps. */
const inGroups = (hex: string): Html =>
  new Html((hex.match(/.{1,8}/g) ?? []).map(group => `<span>${group}</span>`).join('<wbr>'))

/** A URL as a shell takes it, whatever its path holds. */
const shellWord = (url: string): string =>
  /^[\w:/.~%-]+$/.test(url) ? url : `'${url.replaceAll("'", '%27')}'`

const count = (number: number, noun: string): string =>
  `${number} ${noun}${number === 1 ? '' : 's'}`
