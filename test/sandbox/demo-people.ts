import { Agent, request } from 'undici'
import { step } from '../support/console.ts'
import { PEOPLES_APP, RETURN_URL } from './demo-config.ts'
import type { LocalEpic } from './local-epic.ts'
import { PASSWORD } from './people.ts'
import { ScriptedBrowser } from './scripted-browser.ts'

interface Demo {
  issuer: string
  epic: LocalEpic
  /** Where people's browsers come. */
  publicUrl: string
  ca: string
  /** The secret of the service. */
  scheduling: string
}

const CAMILA = 'erXuFYUfucBZaryVksYEcMg3'
const DERRICK = 'eq081'

/** The second part: a patient logs in, a service gets her token, and a clinician starts the same app from a chart. */
export async function letPeopleIn(demo: Demo): Promise<void> {
  const { issuer, epic, publicUrl, ca, scheduling } = demo
  const home = await step('Camila logs in at the local Epic and allows the app (PKCE)', () =>
    inBrowser(ca, browser =>
      browser.goThrough(`${publicUrl}/oauth/epic-patients-authorize`, {
        ...{ name: 'camila', password: PASSWORD, decision: 'allow' },
      }),
    ),
  )
  const connection = await step(
    'scheduling takes the connection over, for a code that is good once',
    () => redeem(demo, home),
  )
  const token = await step('scheduling gets Camila’s token by exchange (RFC 8693)', async () => {
    const exchanged = await post(`${issuer}/oauth2/token`, scheduling, {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: `${connection['connection']}`,
      subject_token_type: `${connection['connection_type']}`,
    })
    return `${exchanged['access_token']}`
  })
  await step('it opens Camila’s record, and nobody else’s: Epic says 403', async () => {
    const statuses = [await read(epic, ca, token, CAMILA), await read(epic, ca, token, DERRICK)]
    if (`${statuses}` !== '200,403') throw new Error(`status ${statuses}`)
  })
  await step(
    'a clinician starts the same app from Derrick’s chart, and is asked for nothing',
    async () => {
      const launch = epic.launchUrl({ clientId: PEOPLES_APP, patient: DERRICK })
      const launched = await redeem(demo, await inBrowser(ca, browser => browser.open(launch)))
      const { patient } = Object(launched['context']) as { patient?: unknown }
      if (patient !== DERRICK) throw new Error(`the patient is ${patient}`)
    },
  )
}

/** What a browser of its own comes to, which must be the page of the service. */
async function inBrowser(
  ca: string,
  go: (browser: ScriptedBrowser) => ReturnType<ScriptedBrowser['open']>,
): Promise<URL> {
  const browser = new ScriptedBrowser(ca, url => url.href.startsWith(RETURN_URL))
  try {
    const { url, status, text } = await go(browser)
    if (!url.href.startsWith(RETURN_URL)) throw new Error(`${status} ${url.pathname}\n${text}`)
    return url
  } finally {
    await browser.close()
  }
}

const redeem = ({ issuer, scheduling }: Demo, home: URL): Promise<Record<string, unknown>> =>
  post(`${issuer}/oauth2/connection`, scheduling, { code: home.searchParams.get('code') ?? '' })

async function post(
  url: string,
  secret: string,
  form: Record<string, string>,
): Promise<Record<string, unknown>> {
  const credentials = Buffer.from(`scheduling:${secret}`).toString('base64')
  const { statusCode, body } = await request(url, {
    method: 'POST',
    headers: {
      authorization: `Basic ${credentials}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: new URLSearchParams(form).toString(),
  })
  const answer = (await body.json()) as Record<string, unknown>
  if (statusCode !== 200) throw new Error(`${statusCode} ${JSON.stringify(answer)}`)
  return answer
}

async function read(epic: LocalEpic, ca: string, token: string, id: string): Promise<number> {
  const dispatcher = new Agent({ connect: { ca } })
  const headers = { authorization: `Bearer ${token}`, accept: 'application/fhir+json' }
  const { statusCode, body } = await request(`${epic.fhirBase}/Patient/${id}`, {
    ...{ headers, dispatcher },
  })
  await body.dump()
  await dispatcher.close()
  return statusCode
}
