import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { secretHash } from '../../../broker/access/secrets.ts'
import { launchChromium, visit } from '../../support/browser.ts'
import { violations } from '../../support/looks.ts'
import { makeWorld, SECRET, type World } from '../../support/world.ts'

const URLS = ['/openapi.json', '/docs', '/docs/json', '/docs/static/swagger-ui-bundle.js']

let world: World
beforeAll(async () => {
  world = await makeWorld()
})
afterAll(() => world.close())

test.each(URLS)('%s is there for everybody, and is what it says it is', async url => {
  const { statusCode, headers } = await world.app.inject(url)
  expect([statusCode, headers['x-content-type-options']]).toEqual([200, 'nosniff'])
})

test('nothing of the config is in the document but the issuer', async () => {
  const { body } = await world.app.inject('/openapi.json')
  const { epic, kid, folder } = world
  const kept = [SECRET, secretHash(SECRET), kid, folder, epic.fhirBase, 'app-patients']
  expect(kept.filter(each => body.includes(each))).toEqual([])
})

describe('with docs: false', () => {
  let bare: World
  beforeAll(async () => {
    bare = await makeWorld({
      prepare: async file => {
        file.listen = { ...file.listen, docs: false }
      },
    })
  })
  afterAll(() => bare.close())

  test.each(URLS)('%s is not there', async url => {
    const reply = await bare.app.inject(url)
    expect([reply.statusCode, reply.json().code]).toEqual([404, 'not_found'])
  })

  test('the metadata does not name it, and tokens are given', async () => {
    const { body } = await bare.app.inject('/.well-known/oauth-authorization-server')
    expect(body).not.toContain('docs')
    expect((await bare.ask()).statusCode).toBe(200)
  })
})

describe('the page', () => {
  /** How the library builds its page, which is not ours to change. */
  const THEIRS = ['heading-order', 'nested-interactive', 'region', 'select-name', 'target-size']

  test('shows every operation under a strict policy, asks nobody else, and takes no secret', async () => {
    const origin = await world.app.listen({ host: '127.0.0.1', port: 0 })
    const browser = await launchChromium()
    try {
      const { page, complaints } = await visit(browser, `${origin}/docs`)
      await page.locator('#operations-tokens-requestToken .opblock-summary-control').click()
      await page.getByText('upstream_invalid_client', { exact: true }).first().waitFor()
      expect(await page.locator('.opblock').count()).toBe(5)
      expect(await page.locator('.errors-wrapper').count()).toBe(0)
      expect(
        await page.getByRole('button', { name: /authorize|try it out|execute/i }).count(),
      ).toBe(0)
      expect(complaints).toEqual([])
      const found = (await violations(page)).filter(
        each => !THEIRS.includes(each.split(' ')[0] ?? ''),
      )
      expect(found).toEqual([])
    } finally {
      await browser.close()
    }
  })

  test('its policy lets in neither inline code nor anything from elsewhere', async () => {
    const { headers } = await world.app.inject('/docs')
    const policy = String(headers['content-security-policy'])
    expect(policy).toContain("default-src 'none'")
    expect(policy).not.toMatch(/unsafe|\*|https?:/)
  })
})
