import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { launchChromium, visit } from '../support/browser.ts'
import { sticksOut, violations } from '../support/looks.ts'
import { PASSWORD } from './people.ts'
import { CALLBACK, type PersonWorld, personWorld } from './person-world.ts'

/** The pages of the local Epic as a person has them, in Debian's Chromium. */
let world: PersonWorld
let browser: Browser
beforeAll(async () => {
  world = await personWorld()
  browser = await launchChromium()
})
afterAll(async () => {
  await browser?.close()
  await world.close()
})

const APP = 'https://app.example.com/**'

async function open(url: string): Promise<Page> {
  const options = { ignoreHTTPSErrors: true, viewport: { width: 320, height: 800 } }
  const here = url.replace('localhost', '127.0.0.1')
  const { page, complaints, close } = await visit(browser, here, options, async each => {
    await each.route(APP, route => route.fulfill({ contentType: 'text/html', body: 'The app' }))
  })
  onTestFinished(async () => {
    await close()
    expect(complaints).toEqual([])
  })
  return page
}

/** What is wrong with how the page looks. */
const looked = async (page: Page) => [...(await violations(page)), ...(await sticksOut(page))]

test('a person signs in with the keyboard alone, chooses a patient, allows, and is back at the app', async () => {
  const ask = world.ask({ scope: 'openid launch/patient' })
  const page = await open(`${world.epic.authorizeUrl}?${ask}`)
  expect(await looked(page)).toEqual([])
  await page.keyboard.type('wilbur')
  await page.keyboard.press('Tab')
  await page.keyboard.type('a wrong one')
  await page.keyboard.press('Enter')
  expect(await page.getByRole('alert').textContent()).toContain('nobody')
  await page.getByLabel('Name').fill('wilbur')
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('radio', { name: 'Derrick Lin' }).check()
  expect(await looked(page)).toEqual([])
  await page.getByRole('button', { name: 'Continue' }).click()
  expect(await page.getByRole('listitem').allTextContents()).toContain('user/Patient.read')
  expect(await looked(page)).toEqual([])
  await page.getByRole('button', { name: 'Allow' }).click()
  await page.waitForURL(`${CALLBACK}?**`)
  expect(Object.keys(Object.fromEntries(new URL(page.url()).searchParams))).toEqual([
    ...['code', 'state'],
  ])
})

test('a chart starts the app, and holds it in a frame', async () => {
  const page = await open(world.epic.chartUrl('app'))
  expect(await looked(page)).toEqual([])
  await page.getByRole('link', { name: 'Camila Lopez in this page' }).click()
  await page.frameLocator('iframe').getByText('The app').waitFor()
  expect(await looked(page)).toEqual([])
})
