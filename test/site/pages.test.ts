import { execFile } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { CACHE } from '../../keys-pipeline/headers.ts'
import type { Lifecycle } from '../../keys-pipeline/lifecycle.ts'
import { readTemplates } from '../../keys-pipeline/read.ts'
import { render, type Site } from '../../keys-pipeline/render.ts'
import { buildServer } from '../../keys-pipeline/serve.ts'
import { readSettings } from '../../keys-pipeline/settings.ts'
import { launchChromium, visit } from '../support/browser.ts'
import { makeAuthority } from '../support/certificates.ts'
import { asIs, ecJwk, folderWith, type Jwk, published, rsaJwk } from '../support/keys.ts'
import { faults, sticksOut, violations } from '../support/looks.ts'
import { freePort, PROJECT } from '../support/processes.ts'

/** The pages as people get them: rendered, served by the real server, and looked at by Debian's Chromium. */
let browser: Browser
beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser?.close())

const templates = readTemplates(join(PROJECT, 'site'))
const settings = readSettings(join(PROJECT, 'keys-pipeline', 'publisher.yaml'), asIs)

/** A kid as long as one may be, and with nowhere to break. */
const LONG = 'W'.repeat(128)
const ONE = [ecJwk('P-256')]
const SIX = [
  rsaJwk(),
  { ...rsaJwk(1), kid: LONG },
  ecJwk('P-256'),
  { ...ecJwk('P-256', 1), kid: 'two  spaces' },
  ecJwk('P-384'),
  ecJwk('P-384', 1),
]

interface Served {
  origin: string
  /** The URL of production, as the page shows it. */
  url: string
  site: Site
}

/** The site of these production keys, at the address that its pages name. */
async function serving(production: Jwk[], nonprod: Jwk[] = []): Promise<Served> {
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const [keys, others] = [production, nonprod].map(jwks => jwks.map(jwk => published(jwk)))
  const lifecycle: Lifecycle = {
    ...Object.fromEntries(
      (keys ?? []).map(({ thumbprint, jwk: { kid } }, at) => [
        thumbprint,
        { kid, created: '2026-03-09T08:00:00Z', role: at === 1 ? 'standby' : 'signer' } as const,
      ]),
    ),
    ['R'.repeat(43)]: {
      kid: LONG,
      created: '2024-03-09T08:00:00Z',
      role: 'signer',
      retired: { at: '2025-03-09T08:00:00Z', reason: 'rotation' },
    },
  }
  const environments = {
    production: { keys: keys ?? [], lifecycle },
    nonprod: { keys: others ?? [], lifecycle: {} },
  }
  const site = render(environments, { ...settings, baseUrl: origin }, templates, null)
  await listening(site, port)
  return { origin, url: `${origin}/.well-known/jwks.json`, site }
}

async function listening(site: Site, port: number): Promise<void> {
  const server = await buildServer(() => site, {
    cache: CACHE.published,
    now: () => 0,
    log: () => {},
  })
  onTestFinished(() => server.close())
  await server.listen({ host: '127.0.0.1', port })
}

/** Opens a page; the test fails if the browser complains of anything or is sent elsewhere, unless it takes it out. */
async function open(url: string, options: BrowserContextOptions = {}) {
  const { page, complaints, close } = await visit(browser, url, options)
  onTestFinished(async () => {
    await close()
    expect(complaints).toEqual([])
  })
  return { page, complaints }
}

const unfold = (page: Page): Promise<void> =>
  page.evaluate('document.querySelectorAll("details").forEach(each => { each.open = true })')

const inWords = (text: string | null): string => (text ?? '').replace(/\s+/g, ' ').trim()

test.each<[string, Jwk[], Jwk[]]>([
  ['no key', [], []],
  ['one key', ONE, []],
  ['six keys and another environment', SIX, [ecJwk('P-384', 2)]],
])(
  'a page with %s can be used by everybody, in the light, in the dark and on a phone',
  async (...given) => {
    const [, production, nonprod] = given
    const { origin } = await serving(production, nonprod)
    const { page } = await open(`${origin}/`)
    await unfold(page)
    expect(await faults(page)).toEqual([])
  },
)

test('so can the page of what is not found, at any depth', async () => {
  const { origin, url } = await serving(SIX)
  const { page, complaints } = await open(`${origin}/no/such/page`)
  expect(complaints.splice(0)).toEqual([expect.stringContaining('status of 404')])
  expect(await faults(page)).toEqual([])
  await page.getByRole('link', { name: url }).click()
  expect(page.url()).toBe(url)
})

test('light is light and dark is dark, and paper is white', async () => {
  const { origin } = await serving(SIX)
  const { page } = await open(`${origin}/`)
  const folder = folderWith()
  const backdrops: number[] = []
  const pictures = new Set<string>()
  for (const [colorScheme, media] of [
    ['light', 'screen'],
    ['dark', 'screen'],
    ['dark', 'print'],
  ] as const) {
    await page.emulateMedia({ colorScheme, media })
    const path = join(folder, `${colorScheme}-${media}.png`)
    await page.screenshot({ path, fullPage: true })
    const picture = readFileSync(path)
    expect(picture.readUInt32BE(16)).toBe(1100)
    expect(picture.length).toBeGreaterThan(50_000)
    pictures.add(createHash('sha256').update(picture).digest('hex'))
    const color = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor')
    backdrops.push(Number(/\d+/.exec(color)?.[0]))
  }
  expect(pictures.size).toBe(3)
  expect(backdrops).toEqual([expect.toSatisfy(isLight), expect.not.toSatisfy(isLight), 255])
})

const isLight = (red: number): boolean => red > 200

describe('with the keyboard alone', () => {
  const STOPS = [
    'Production',
    'Non-production',
    'How to check',
    'Copy the Production URL',
    'Open the key set of Production',
    'Check with curl',
    'PEM file',
    'Check with OpenSSL',
    '1 retired key',
    'publication.json',
  ]

  test('every link, button and fold is reached in order, and is seen to be', async () => {
    const { origin } = await serving(ONE)
    const { page } = await open(`${origin}/`)
    const reached: string[] = []
    for (const _ of STOPS) {
      await page.keyboard.press('Tab')
      reached.push(inWords(await page.evaluate('document.activeElement.textContent')))
      expect(
        await page.evaluate(`(() => {
          const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement)
          return outlineStyle === 'solid' && parseFloat(outlineWidth) >= 2
        })()`),
        reached.at(-1),
      ).toBe(true)
    }
    expect(reached).toEqual(STOPS)
  })

  test('a fold opens, and its command can be copied', async () => {
    const { origin, url } = await serving(ONE)
    const { page } = await open(`${origin}/`)
    await page.getByText('Check with curl').focus()
    await page.keyboard.press('Enter')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await expect.poll(() => copied(page)).toBe(`curl -sS -D - ${url}`)
  })
})

const copied = (page: Page): Promise<string> => page.evaluate('navigator.clipboard.readText()')
const told = (page: Page) => page.getByRole('status').textContent()
const COPY_URL = 'Copy the Production URL'

test('its icon comes with the page, and the policy lets it in', async () => {
  const { origin } = await serving(ONE)
  const { page } = await open(`${origin}/`)
  const width = await page.evaluate(`(async () => {
    const icon = Object.assign(new Image(), { src: document.querySelector('link[rel=icon]').href })
    await icon.decode()
    return icon.width
  })()`)
  expect(width).toBeGreaterThan(0)
})

describe('the button beside the URL', () => {
  test('copies the URL, the whole URL and nothing but it, and says so', async () => {
    const { origin, url } = await serving(SIX, ONE)
    const { page } = await open(`${origin}/`)
    await page.evaluate('navigator.clipboard.writeText("something else")')
    await page.getByRole('button', { name: COPY_URL }).click()
    await expect.poll(() => copied(page)).toBe(url)
    expect(await told(page)).toContain('Copied')
    expect(await page.getByRole('button', { name: 'Copied the Production URL' }).count()).toBe(1)
  })

  test('selects it where the browser forbids to copy, and says that', async () => {
    const { origin, url } = await serving(ONE)
    const { page } = await open(`${origin}/`)
    await page.evaluate('navigator.clipboard.writeText = () => Promise.reject(new Error("no"))')
    await page.getByRole('button', { name: COPY_URL }).click()
    await expect.poll(() => told(page)).toContain('selected')
    expect(await page.evaluate('String(getSelection())')).toBe(url)
  })

  test('is not there where nothing can be copied', async () => {
    const { origin } = await serving(ONE)
    const { page } = await open(`${origin}/`)
    await page.addInitScript('Object.defineProperty(navigator, "clipboard", { value: undefined })')
    await page.reload()
    expect(await page.getByRole('button').count()).toBe(0)
  })
})

test('without a script everything can be read, opened and selected, and no dead button is shown', async () => {
  const { origin, url, site } = await serving(SIX)
  const { page } = await open(`${origin}/`, { javaScriptEnabled: false })
  expect(await page.getByRole('button').count()).toBe(0)
  const { keys } = JSON.parse(site.get('.well-known/jwks.json') ?? '')
  const shown = page.locator('h3 .kid').filter({ visible: true })
  expect(await shown.allTextContents()).toEqual(keys.map((key: { kid: string }) => key.kid))
  expect(await page.locator('dl .hash').filter({ visible: true }).count()).toBe(SIX.length + 2)
  await page.getByText('Check with OpenSSL').first().click()
  expect(await page.locator('.keys pre').first().isVisible()).toBe(true)
  await page.locator('.url').click({ clickCount: 3 })
  expect(await page.evaluate('String(getSelection()).trim()')).toBe(url)
})

describe('the commands that are shown', () => {
  const inShell = promisify(execFile)
  const sh = async (line: string, cwd = PROJECT): Promise<string> =>
    (await inShell('sh', ['-c', line], { cwd, env: { PATH: process.env['PATH'] } })).stdout
  const lastWord = (text: string): string | undefined => text.trim().split(' ').at(-1)

  test('find each key’s fingerprint by OpenSSL, as the page has it', async () => {
    const { origin } = await serving(SIX)
    const { page } = await open(`${origin}/`)
    const cards = await page.locator('.keys > li').all()
    expect(cards).toHaveLength(SIX.length)
    for (const card of cards) {
      const line = (await card.locator('pre').textContent()) ?? ''
      expect(line).toMatch(/^curl .*\.pem \| openssl /)
      const shown = await card.locator('.hash').first().textContent()
      expect(shown).toMatch(/^[0-9a-f]{64}$/)
      expect(lastWord(await sh(line))).toBe(shown)
    }
  })

  test('show what the URL answers', async () => {
    const { origin, site } = await serving(ONE)
    const { page } = await open(`${origin}/`)
    const answer = await sh((await page.locator('.location pre').textContent()) ?? '')
    expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n(.*\r\n)*content-type: application\/json\r\n/i)
    expect(answer.split('\r\n\r\n')[1]).toBe(site.get('.well-known/jwks.json'))
  })

  test('find the fingerprint of a file that somebody has, a PEM or a certificate', async () => {
    const { origin } = await serving(ONE)
    const { page } = await open(`${origin}/`)
    const { cert } = await (await makeAuthority()).issue()
    const { publicKey } = new X509Certificate(cert)
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
    const folder = folderWith({ 'key.pem': pem, 'certificate.pem': cert })
    const der = publicKey.export({ type: 'spki', format: 'der' })
    const print = createHash('sha256').update(der).digest('hex')
    const lines = await page.locator('ol pre').allTextContents()
    const found = await Promise.all(lines.map(async line => lastWord(await sh(line, folder))))
    expect(found).toEqual([print, print])
  })
})

test('every link leads to what is published', async () => {
  const { origin } = await serving(SIX, [ecJwk('P-384', 2)])
  const { page } = await open(`${origin}/`)
  const links = await page.evaluate<string[]>('[...document.links].map(each => each.href)')
  expect(links.length).toBeGreaterThan(SIX.length)
  for (const link of links) {
    expect([link, (await page.request.get(link)).status()]).toEqual([link, 200])
    const { hash } = new URL(link)
    if (hash) expect(await page.locator(hash).count()).toBe(1)
  }
})

test('a kid is text and nothing else', async () => {
  const kids = [
    '<script>throw 1</script>',
    '</code></h3><img src=x onerror=throw>',
    '"><svg/onload=alert(1)>',
    "' onfocus='alert(1)' autofocus='",
    '</script><script>alert(1)</script>',
    '</style><style>*{display:none}',
    '<!-- <p> -->',
    '<meta http-equiv=refresh content=0;url=//elsewhere.example>',
    '<base href=//elsewhere.example>',
    'javascript:alert(1)',
    '&lt;b&gt;&amp;&#60;',
    '{{script}}{{policy}}$&$1',
    '  two  spaces ',
  ]
  const { origin } = await serving(kids.map((kid, at) => ({ ...ecJwk('P-256', at), kid })))
  const { page } = await open(`${origin}/`)
  expect(page.url()).toBe(`${origin}/`)
  const shown = await page.locator('h3 .kid').allTextContents()
  expect(shown).toEqual(kids.toSorted())
  const risky =
    'script, style, img, svg, base, iframe, form, [onerror], [onload], [onfocus], [style]'
  const found = await page.evaluate(
    `[...document.querySelectorAll('${risky}')].map(each => each.tagName)`,
  )
  expect(found).toEqual(['STYLE', 'SCRIPT'])
})

describe('the look itself sees', () => {
  test('a script, a style, an image and a frame that the policy does not name', async () => {
    const { site } = await serving(ONE)
    const port = await freePort()
    const smuggled = [
      '<script>document.title = "mine"</script>',
      '<p style="color: red">',
      '<img src="https://elsewhere.example/x.png">',
      '<iframe src="/"></iframe>',
    ].join('')
    const page = (site.get('index.html') ?? '').replace('</main>', `${smuggled}</main>`)
    await listening(new Map([...site, ['index.html', page]]), port)
    const seen = await visit(browser, `http://127.0.0.1:${port}/`)
    onTestFinished(seen.close)
    for (const directive of ['script-src', 'style-src', 'img-src', 'default-src'])
      expect(seen.complaints.join('\n')).toMatch(
        new RegExp(`violates the following Content Security Policy directive:? ["']${directive} `),
      )
    expect(await seen.page.title()).not.toBe('mine')
  })

  test('a request to elsewhere, an exception and a word on the console', async () => {
    const { origin } = await serving(ONE)
    const { page, complaints, close } = await visit(browser, `${origin}/`)
    await page.evaluate('console.error("trouble"); setTimeout(() => { throw new Error("thrown") })')
    await expect.poll(() => complaints).toEqual(['trouble', 'Error: thrown'])
    await page.goto('http://elsewhere.example/').catch(() => {})
    expect(complaints).toContain('asked for http://elsewhere.example/')
    await close()
  })

  test('faint text, and what is too wide', async () => {
    const { origin } = await serving(ONE)
    const { page } = await open(`${origin}/`, { viewport: { width: 320, height: 800 } })
    await page.evaluate('document.body.style.color = "#ccc"')
    expect(await violations(page)).toContainEqual(expect.stringMatching(/^color-contrast /))
    await page.evaluate('document.querySelector(".url").style.whiteSpace = "nowrap"')
    expect(await sticksOut(page)).not.toEqual([])
  })

  test('that there is no browser, in plain words', async () => {
    await expect(launchChromium('/nowhere/chromium')).rejects.toThrow(/apt-get install .*chromium/)
  })
})
