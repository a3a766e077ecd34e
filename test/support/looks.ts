import axe, { type AxeResults } from 'axe-core'
import type { Page } from 'playwright-core'

/** What axe finds wrong, the size of what a finger must hit included: rule and place. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const { violations: found } = await page.evaluate<AxeResults>(
    'axe.run({ rules: { "target-size": { enabled: true } } })',
  )
  return found.flatMap(({ id, nodes }) => nodes.map(node => `${id} ${node.target.join(' ')}`))
}

/** What reaches further to the right than the screen does. */
export const sticksOut = (page: Page): Promise<string[]> =>
  page.evaluate(`[...document.querySelectorAll('*')]
    .filter(each => Math.max(each.getBoundingClientRect().right, each.scrollWidth) > innerWidth)
    .map(each => each.outerHTML.slice(0, 80))`)

/** Wide and light, then narrow and dark, as on a phone at night: what axe finds, and what does not fit. */
export async function faults(page: Page): Promise<string[]> {
  const wide = await violations(page)
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.setViewportSize({ width: 320, height: 800 })
  return [...wide, ...(await violations(page)), ...(await sticksOut(page))]
}
