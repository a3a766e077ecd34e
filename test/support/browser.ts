import { existsSync } from 'node:fs'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

const CHROMIUM = '/usr/bin/chromium'

/**
 * Debian's Chromium, which can resolve no name but those of this machine that are given: what a page asks of elsewhere
 * fails, and is told by `visit`.
 */
export async function launchChromium(
  path = CHROMIUM,
  hosts: readonly string[] = [],
): Promise<Browser> {
  if (!existsSync(path)) {
    throw new Error(
      `These tests look at pages with a browser, and there is no ${path} (apt-get install --no-install-recommends chromium)`,
    )
  }
  const known = ['127.0.0.1', ...hosts].map(host => `EXCLUDE ${host}`)
  const args = ['--no-sandbox', `--host-resolver-rules=MAP * ~NOTFOUND, ${known.join(', ')}`]
  return chromium.launch({ executablePath: path, args })
}

export interface Visit {
  page: Page
  /** What went wrong so far: errors and warnings of the console, exceptions, and requests that leave the origin. */
  complaints: string[]
  close: () => Promise<void>
}

/** A page at `url`, in a browser profile of its own; `prepare` comes before anything is loaded. */
export async function visit(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
  prepare: (page: Page) => Promise<void> = async () => {},
): Promise<Visit> {
  const { origin } = new URL(url)
  const context = await browser.newContext({ viewport: { width: 1100, height: 900 }, ...options })
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin })
  const complaints: string[] = []
  await context.route('**/*', route => {
    const asked = route.request().url()
    if (new URL(asked).origin === origin) return route.continue()
    complaints.push(`asked for ${asked}`)
    return route.abort()
  })
  const page = await context.newPage()
  page.on('console', message => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  page.on('pageerror', error => complaints.push(String(error)))
  await prepare(page)
  await page.goto(url)
  return { page, complaints, close: () => context.close() }
}
