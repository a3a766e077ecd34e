import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import type { Browser, BrowserContext, Frame, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { ConfigFile } from '../../../broker/config-schema.ts'
import { PASSWORD } from '../../sandbox/people.ts'
import { launchChromium } from '../../support/browser.ts'
import { freePort } from '../../support/processes.ts'
import { makeWorld, type World } from '../../support/world.ts'

/** Launches as people have them: Debian's Chromium between the broker and the local Epic, each on a site of its own. */
let world: World
let browser: Browser
let app = ''

const CAMILA = 'erXuFYUfucBZaryVksYEcMg3'

beforeAll(async () => {
  const port = await freePort()
  app = `https://127.0.0.1:${port}`
  world = await makeWorld({
    prepare: async (file, folder, authority) => {
      const tls = await authority.issue()
      writeFileSync(join(folder, 'app.pem'), tls.cert)
      writeFileSync(join(folder, 'app.key'), tls.key, { mode: 0o600 })
      writeFileSync(join(folder, 'seal'), randomBytes(32), { mode: 0o600 })
      file.launch = {
        ...{ listen: { port, tls: { cert: 'app.pem', key: 'app.key' } }, publicUrl: app },
        sealKeys: ['seal'],
      }
      const { epic } = file.upstreams
      if (!epic) throw new Error('no upstream')
      file.upstreams = { epic: forPeople(epic), framed: forPeople(epic, true) }
    },
  })
  for (const id of ['epic', 'framed'])
    await world.epic.register({
      ...{ clientId: `people-${id}`, environment: 'nonprod', jwksUrl: world.jwksUrl },
      scopes: ['patient/Patient.read'],
      userSide: {
        ...{ redirectUris: [`${app}/oauth/${id}-callback`], isPersistent: true },
        launchUrl: `${app}/oauth/${id}-launch`,
      },
    })
  await world.launch?.listen({ host: '127.0.0.1', port })
  browser = await launchChromium()
})
afterAll(async () => {
  await browser?.close()
  await world?.close()
})

type Upstream = ConfigFile['upstreams'][string]

const forPeople = (base: Upstream, isFramed = false): Upstream => ({
  ...base,
  launch: {
    clientId: isFramed ? 'people-framed' : 'people-epic',
    authorizationEndpoint: `${base.tokenEndpoint}`.replace(/token$/, 'authorize'),
    scopes: ['patient/Patient.read'],
    offline: true,
    ...(isFramed && { embedded: true, origins: [new URL(base.fhirBase).origin] }),
  },
})

/** A browser profile of its own. What it complains of, the requests that failed included, ends the test. */
async function profile(): Promise<{
  page: Page
  context: BrowserContext
  complaints: string[]
}> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true })
  const complaints: string[] = []
  const page = await context.newPage()
  page.on('console', message => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  page.on('pageerror', error => complaints.push(String(error)))
  onTestFinished(async () => {
    await context.close()
    expect(complaints).toEqual([])
  })
  return { page, context, complaints }
}

/** LOCKSTEP_SCREENSHOTS names a folder in which to keep what a person would see. */
async function keep(page: Page, name: string): Promise<void> {
  const folder = process.env['LOCKSTEP_SCREENSHOTS']
  if (folder === undefined) return
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name}.png`) })
}

async function logIn(page: Page, name: string): Promise<void> {
  await page.getByLabel('Name').fill(name)
  await page.getByLabel('Password').fill(PASSWORD)
  await keep(page, 'sign-in')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await keep(page, 'consent')
  await page.getByRole('button', { name: 'Allow' }).click()
}

const fact = (page: Page | Frame, name: string) =>
  page.locator(`dt:text-is("${name}") + dd`).textContent()

test('a patient logs in from the app, sees the connection, and ends it', async () => {
  const { page, context } = await profile()
  await page.goto(`${app}/oauth/epic-authorize`)
  await logIn(page, 'camila')
  await page.waitForURL(`${app}/oauth/epic-status`)
  await keep(page, 'connected')
  expect(await fact(page, 'Patient')).toContain(CAMILA)
  const cookies = await context.cookies(app)
  expect(cookies.map(({ name }) => name.split('.')[0])).toEqual(['__Host-lockstep-session'])
  expect(cookies[0]).toMatchObject({ httpOnly: true, secure: true, sameSite: 'Lax' })
  await page.getByRole('button', { name: 'Disconnect' }).click()
  await page.getByText('This browser has no connection').waitFor()
})

test('another browser sees nothing of it', async () => {
  const { page } = await profile()
  await page.goto(`${app}/oauth/epic-authorize`)
  await logIn(page, 'camila')
  await page.getByRole('heading', { name: 'Connected' }).waitFor()
  const other = await profile()
  await other.page.goto(`${app}/oauth/epic-status`)
  await other.page.getByText('This browser has no connection').waitFor()
})

test('a clinician starts the app from a chart, and is asked for nothing', async () => {
  const { page } = await profile()
  await page.goto(world.epic.chartUrl('people-epic'))
  await page.getByRole('link', { name: 'Start the app for Camila Lopez', exact: true }).click()
  await page.waitForURL(`${app}/oauth/epic-status`)
  await keep(page, 'launched')
  expect(await fact(page, 'Patient')).toContain(CAMILA)
  expect(await fact(page, 'User')).toContain('Practitioner/')
})

test('in a frame of the chart it works all the same, with a cookie that is this chart’s alone', async () => {
  const { page, context } = await profile()
  await page.goto(world.epic.chartUrl('people-framed'))
  await page.getByRole('link', { name: 'Camila Lopez in this page' }).click()
  const frame = page.frameLocator('iframe')
  await frame.getByRole('heading', { name: 'Connected' }).waitFor()
  await keep(page, 'framed')
  const [session] = await context.cookies(app)
  expect(session).toMatchObject({ sameSite: 'None', secure: true, httpOnly: true })
  expect(session?.partitionKey).toContain('localhost')
  const alone = await context.newPage()
  await alone.goto(`${app}/oauth/framed-status`)
  await alone.getByText('This browser has no connection').waitFor()
  await frame.getByRole('button', { name: 'Disconnect' }).click()
  await frame.getByText('This browser has no connection').waitFor()
})

test('somebody who says no is told so, and may begin again', async () => {
  const { page, complaints } = await profile()
  await page.goto(`${app}/oauth/epic-authorize`)
  await page.getByLabel('Name').fill('camila')
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('button', { name: 'Deny' }).click()
  await page.getByRole('heading', { name: 'This did not work' }).waitFor()
  await keep(page, 'denied')
  expect(complaints.splice(0)).toEqual([expect.stringContaining('400')])
  expect(page.url().startsWith(`${app}/oauth/epic-callback?error=access_denied`)).toBe(true)
  await page.getByRole('link', { name: 'Log in' }).click()
  await page.getByLabel('Name').waitFor()
})
