import { createHash } from 'node:crypto'
import { Html, html } from '../../keys-pipeline/html.ts'
import { PASSWORD, PATIENT_NAMES, PEOPLE, type Person } from './people.ts'

const STYLE = `
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; background: #fff }
h1 { font-size: 1.5rem }
label { display: block; margin: 0.75rem 0 0.25rem }
input[type='text'], input[type='password'] { font: inherit; width: 100%; padding: 0.4rem; box-sizing: border-box; border: 1px solid #595959 }
fieldset { border: 1px solid #595959; margin: 1rem 0 }
button { font: inherit; margin: 1rem 0.5rem 0 0; padding: 0.4rem 1.2rem; border: 1px solid #1f4e79; background: #1f4e79; color: #fff; cursor: pointer }
button.second { background: #fff; color: #1f4e79 }
.trouble { border-left: 0.3rem solid #a4262c; padding-left: 0.75rem }
`

/** Nothing but its own style. form-action stays unsaid: Chromium would stop the redirect back to the app with it. */
export const PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; frame-ancestors 'self'`,
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
} as const

function page(title: string, body: Html): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title} · local Epic</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<main>
<h1>${title}</h1>
${body}
</main>
</body>
</html>
`.text
}

const hidden = (transaction: string): Html =>
  html`<input type="hidden" name="transaction" value="${transaction}">`

export function signInPage(transaction: string, isWrong = false): string {
  return page(
    'Sign in',
    html`${isWrong ? html`<p class="trouble" role="alert">There is nobody with this name and password.</p>` : ''}
<form method="post" action="sign-in">
${hidden(transaction)}
<label for="name">Name</label>
<input type="text" id="name" name="name" autocomplete="username" required autofocus>
<label for="password">Password</label>
<input type="password" id="password" name="password" autocomplete="current-password" required>
<button>Sign in</button>
</form>
<p>A sandbox with made-up records: ${PEOPLE.map(({ name }) => name).join(' or ')}, each with the password <kbd>${PASSWORD}</kbd>.</p>`,
  )
}

export function patientPage(transaction: string, { patients }: Person): string {
  const choices = patients.map(
    (id, at) =>
      html`<label><input type="radio" name="patient" value="${id}"${
        at === 0 ? new Html(' checked') : ''
      }> ${PATIENT_NAMES[id] ?? id}</label>`,
  )
  return page(
    'Choose a patient',
    html`<form method="post" action="patient">
${hidden(transaction)}
<fieldset><legend>Whose record may the app open?</legend>
${choices}
</fieldset>
<button>Continue</button>
</form>`,
  )
}

export function consentPage(
  transaction: string,
  { clientId, person, scopes }: { clientId: string; person: Person; scopes: readonly string[] },
): string {
  return page(
    'Allow this app?',
    html`<p>${person.display}: the app <strong>${clientId}</strong> asks for</p>
<ul>
${scopes.map(each => html`<li><code>${each}</code></li>`)}
</ul>
<form method="post" action="consent">
${hidden(transaction)}
<button name="decision" value="allow">Allow</button>
<button name="decision" value="deny" class="second">Deny</button>
</form>`,
  )
}

/** All that a person learns of what an app did wrong. @see Epic "Troubleshooting", authorize */
export function troublePage(): string {
  return page(
    'OAuth2 Error',
    html`<p class="trouble" role="alert">Something went wrong trying to authorize the client. Please try logging in again.</p>`,
  )
}

/** Where an EHR keeps its apps: a click starts one, in this window or in a frame of it. */
export function chartPage(
  starts: readonly { label: string; url: string }[],
  frame: string | null,
): string {
  return page(
    'Chart',
    frame === null
      ? html`<ul>${starts.map(({ label, url }) => html`<li><a href="${url}">${label}</a></li>`)}</ul>`
      : html`<iframe title="App" src="${frame}" width="100%" height="500"></iframe>`,
  )
}
