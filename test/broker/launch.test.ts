import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { launchChromium } from '../support/browser.ts'
import { makeEpicLaunchWorld } from '../support/epic-launch-world.ts'
import { makeLaunchWorld } from '../support/launch-world.ts'
import { faults } from '../support/looks.ts'
import type { World } from '../support/world.ts'

/** Both launches as a person goes through them, in Debian's Chromium. */
let browser: Browser
let world: World & { publicUrl: string }
beforeAll(async () => {
  ;[browser, world] = await Promise.all([
    launchChromium(undefined, ['localhost']),
    makeEpicLaunchWorld(),
  ])
})
afterAll(async () => {
  await browser?.close()
  await world?.close()
})

/** A browser profile of its own, in which nothing may go wrong. */
async function open(): Promise<{ page: Page; context: BrowserContext; complaints: string[] }> {
  const context = await browser.newContext({
    ...{ ignoreHTTPSErrors: true, viewport: { width: 1100, height: 900 } },
  })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', message => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  page.on('pageerror', error => complaints.push(String(error)))
  onTestFinished(() => context.close())
  return { page, context, complaints }
}

async function signIn(page: Page, patient: string): Promise<void> {
  await page.getByLabel('Name').fill('wilbur')
  await page.getByLabel('Password').fill('sandbox')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByLabel(patient).check()
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByRole('button', { name: 'Allow' }).click()
}

const fact = (page: Page, name: string): Promise<string | null> =>
  page.locator(`dt:text-is("${name}") + dd`).textContent()

describe('at the local Epic', () => {
  test('a person logs in from our side, sees the connection, and ends it', async () => {
    const { page, context, complaints } = await open()
    await page.goto(`${world.publicUrl}/oauth/epic-authorize`)
    await signIn(page, 'Derrick Lin')
    await page.getByRole('heading', { name: 'Connected' }).waitFor()
    expect(page.url()).toBe(`${world.publicUrl}/oauth/epic-status`)
    expect([await fact(page, 'Patient'), await fact(page, 'User')]).toEqual([
      ...['eq081', expect.stringContaining('Practitioner/eM5CWtq15N0WJeuCet5bJlQ3')],
    ])
    expect(await faults(page)).toEqual([])
    const [cookie, ...others] = await context.cookies(world.publicUrl)
    expect(others).toEqual([])
    expect(cookie).toMatchObject({ httpOnly: true, secure: true, sameSite: 'Lax', path: '/' })
    await page.getByRole('button', { name: 'Disconnect' }).click()
    await page.getByRole('heading', { name: 'Not connected' }).waitFor()
    expect(await faults(page)).toEqual([])
    expect([await context.cookies(world.publicUrl), complaints]).toEqual([[], []])
  })

  test('a clinician starts the app from a chart, and it knows whose chart it is', async () => {
    const { page, complaints } = await open()
    await page.goto(world.epic.chartUrl('user-app'))
    await page.getByRole('link', { name: 'Start the app for Camila Lopez', exact: true }).click()
    await page.getByRole('heading', { name: 'Connected' }).waitFor()
    expect(await fact(page, 'Patient')).toBe('erXuFYUfucBZaryVksYEcMg3')
    expect(complaints).toEqual([])
  })

  test('in a frame of the EHR, which is another site, the app works with cookies of that site’s own', async () => {
    const { page, context, complaints } = await open()
    await page.goto(world.epic.chartUrl('framed-app'))
    await page.getByRole('link', { name: 'Start the app for Derrick Lin in this page' }).click()
    const frame = page.frameLocator('iframe')
    await frame.getByRole('heading', { name: 'Connected' }).waitFor()
    expect(await frame.locator('dt:text-is("Patient") + dd').textContent()).toBe('eq081')
    const ours = (await context.cookies()).filter(({ name }) => name.startsWith('__Host-lockstep'))
    expect(ours).toMatchObject([{ name: '__Host-lockstep-session.framed', sameSite: 'None' }])
    expect(ours[0]?.partitionKey).toBe('https://localhost')
    // The copy of that site alone: to the same address in a window of its own it is not sent.
    const window = await context.newPage()
    await window.goto(`${world.publicUrl}/oauth/framed-status`)
    await window.getByRole('heading', { name: 'Not connected' }).waitFor()
    await frame.getByRole('button', { name: 'Disconnect' }).click()
    await frame.getByRole('heading', { name: 'Not connected' }).waitFor()
    expect(complaints).toEqual([])
  })

  test.each([
    ['of the EHR', 'epic'],
    ['that is no EHR', 'framed'],
  ])('a frame %s shows nothing of an upstream that is not for it', async (_, upstream) => {
    const { page } = await open()
    const framing = upstream === 'epic' ? world.epic.chartUrl('user-app') : await stranger(upstream)
    await page.goto(framing)
    if (upstream === 'epic')
      await page.getByRole('link', { name: 'Start the app for Derrick Lin in this page' }).click()
    await expect.poll(() => page.frames()[1]?.url()).toMatch(/^chrome-error:/)
  })

  test('the pages that explain and that refuse are for everybody', async () => {
    const { page } = await open()
    for (const path of [
      'epic-authorize-debug',
      'epic-callback?state=forged',
      'epic-callback-test',
    ]) {
      await page.setViewportSize({ width: 1100, height: 900 })
      await page.goto(`${world.publicUrl}/oauth/${path}`)
      expect(await faults(page), path).toEqual([])
    }
  })
})

/** A page of a stranger that shows our status in a frame. */
async function stranger(upstream: string): Promise<string> {
  const server = createServer((_, reply) => {
    reply.setHeader('content-type', 'text/html')
    reply.end(`<iframe src="${world.publicUrl}/oauth/${upstream}-status"></iframe>`)
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  onTestFinished(() => void server.close())
  return `http://localhost:${(server.address() as AddressInfo).port}/`
}

test.each([
  ['from our side', () => '/oauth/epic-authorize'],
  [
    'from the EHR',
    (fhirBase: string) =>
      `/oauth/epic-launch?${new URLSearchParams({ iss: fhirBase, launch: 'x.y' })}`,
  ],
])('at oidc-provider, which we did not write, a person logs in %s', async (_, path) => {
  const own = await makeLaunchWorld({ tls: true })
  onTestFinished(() => own.close())
  await own.launch.listen({ host: '127.0.0.1', port: Number(new URL(own.publicUrl).port) })
  const { page } = await open()
  await page.goto(`${own.publicUrl}${path(own.ehr.fhirBase)}`)
  await page.getByPlaceholder('Enter any login').fill('eFUser')
  await page.getByPlaceholder('and password').fill('x')
  await page.getByRole('button', { name: 'Sign-in' }).click()
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByRole('heading', { name: 'Connected' }).waitFor()
  expect(await fact(page, 'User')).toBe('Practitioner/eFUser')
})
