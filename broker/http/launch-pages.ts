import { hash } from 'node:crypto'
import { Html, html } from '../../keys-pipeline/html.ts'
import type { BrokerError } from '../errors.ts'
import type { ConnectionStatus, LaunchFront } from '../launch/front.ts'

const STYLE = `
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { margin: 0 auto; padding: 2rem 1.25rem; max-width: 42rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem; }
p { margin: 0 0 1rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1.25rem; margin: 0 0 1.5rem; }
dt { font-weight: 600; }
dd { margin: 0; overflow-wrap: anywhere; }
code { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
button, .go { font: inherit; display: inline-block; padding: .6rem 1.1rem; border: 1px solid currentColor; border-radius: .4rem; background: none; color: inherit; text-decoration: none; cursor: pointer; }
button:hover, .go:hover { background: color-mix(in srgb, currentColor 10%, transparent); }
:focus-visible { outline: 3px solid Highlight; outline-offset: 2px; }
@media (max-width: 30rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin: 0 0 .5rem; } }
`

/**
 * Nothing is loaded and no script runs; forms go to us alone. `frames` are the origins that may show the page in a
 * frame.
 */
const policyFor = (frames: readonly string[]): string =>
  [
    "default-src 'none'",
    `style-src 'sha256-${hash('sha256', STYLE, 'base64')}'`,
    "form-action 'self'",
    "base-uri 'none'",
    `frame-ancestors ${frames.length === 0 ? "'none'" : frames.join(' ')}`,
  ].join('; ')

/** Of every answer that a browser gets: what is in its URL goes nowhere, and nothing of it is kept. */
export const browserHeaders = (frames: readonly string[]): Record<string, string> => ({
  'content-security-policy': policyFor(frames),
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  ...(frames.length === 0 && { 'x-frame-options': 'DENY' }),
})

const page = (title: string, body: Html): string =>
  html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
${new Html(`<style>${STYLE}</style>`)}
</head>
<body>
<main>
<h1>${title}</h1>
${body}
</main>
</body>
</html>
`.text

const again = (upstream: string): Html =>
  html`<p><a class="go" href="/oauth/${upstream}-authorize">Log in</a></p>`

const row = (name: string, value: string): Html => html`<dt>${name}</dt><dd>${value}</dd>`

/** To the minute, as people read it. */
const readable = (time: string): string => `${time.slice(0, 16).replace('T', ' ')} UTC`

const TITLES: Readonly<Record<ConnectionStatus['standing'], string>> = {
  connected: 'Connected',
  lapsed: 'The connection has ended',
  over: 'The EHR has ended the connection',
  none: 'Not connected',
}

/** What a browser is shown of its own connection. */
export function statusPage(status: ConnectionStatus): string {
  const { standing, upstream, patient, fhirUser, scopes, expires_at, lasting } = status
  if (standing === 'none')
    return page(
      TITLES.none,
      html`<p>This browser has no connection at ${upstream}.</p>${again(upstream)}`,
    )
  const facts = [
    row('At', upstream),
    ...(fhirUser === null ? [] : [row('User', fhirUser)]),
    ...(patient === null ? [] : [row('Patient', patient)]),
    row('Allowed', scopes.join(', ')),
    ...(standing === 'connected' && expires_at !== null
      ? [row('Until', lasting ? `${readable(expires_at)}, then renewed` : readable(expires_at))]
      : []),
  ]
  const disconnect = html`<form method="post" action="/oauth/${upstream}-disconnect">
<button type="submit">Disconnect</button>
</form>`
  return page(
    TITLES[standing],
    html`<dl>${facts}</dl>${standing === 'connected' ? '' : again(upstream)}${disconnect}`,
  )
}

/** `upstream` is where the user may begin again; null where that would not help. */
export const errorPage = (error: BrokerError, upstream: string | null): string =>
  page(
    'This did not work',
    html`<p>${error.message}</p><p>Code: <code>${error.shownCode}</code></p>${upstream === null ? '' : again(upstream)}`,
  )

/** What would be sent to the EHR, parameter by parameter. */
export function explainPage(
  upstream: string,
  { url, parameters, missing }: Awaited<ReturnType<LaunchFront['explain']>>,
): string {
  const rows = parameters.map(
    ({ name, value, why }) =>
      html`<dt><code>${name}</code></dt><dd><code>${value}</code><br>${why}</dd>`,
  )
  const hints = missing.map(each => html`<li>${each}</li>`)
  return page(
    `The authorization request for ${upstream}`,
    html`<p>Nobody can log in by this one: its state belongs to no browser.</p>
<p><code>${url}</code></p>
<dl>${rows}</dl>
<h2>What is missing</h2>
${missing.length === 0 ? html`<p>Nothing that can be told from here.</p>` : html`<ul>${hints}</ul>`}`,
  )
}

/** What came back, without what is secret of it. */
export function rehearsalPage(
  upstream: string,
  arrived: readonly { name: string; shown: string }[],
  code: string | null,
): string {
  const facts = arrived.map(({ name, shown }) => row(name, shown))
  return page(
    `A callback for ${upstream}, not carried out`,
    html`<dl>${facts}</dl><p>${code === null ? 'It would be taken, and its code shown to the EHR.' : html`It would be refused: <code>${code}</code>`}</p>`,
  )
}
