import { pino } from 'pino'
import { buildAdmin } from '../broker/http/admin.ts'
import { launchChromium, visit } from './support/browser.ts'
import { manyUpstreams } from './support/dashboard-status.ts'
const browser = await launchChromium()
for (const [n, token] of [[500, null],[0, null],[6,'x'.repeat(32)]] as const) {
  const app = buildAdmin({ status: () => manyUpstreams(n), metrics: {text: async()=>'' , contentType:'text/plain'}, token, log: pino({enabled:false}) })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  for (const [scheme, width] of [['light',1440],['dark',1440],['light',1024],['dark',320]] as const) {
    const v = await visit(browser, `${url}/`, { viewport: { width, height: 900 }, colorScheme: scheme })
    await v.page.waitForTimeout(500)
    const name = `/tmp/dash/${n}-${scheme}-${width}`
    await v.page.screenshot({ path: `${name}.png` })
    if (n === 500) {
      await v.page.locator('tbody button').first().click()
      await v.page.waitForTimeout(300)
      await v.page.screenshot({ path: `${name}-open.png` })
      for (const view of ['keys','refusals']) {
        await v.page.locator(`nav a[data-view=${view}]`).click()
        await v.page.waitForTimeout(100)
        await v.page.screenshot({ path: `${name}-${view}.png` })
      }
    }
    if (n===6) { await v.page.fill('#token','wrong'); await v.page.keyboard.press('Enter'); await v.page.waitForTimeout(300); await v.page.screenshot({ path: `${name}-wrong.png` }); await v.page.fill('#token',token!); await v.page.keyboard.press('Enter'); await v.page.waitForTimeout(300); await v.page.screenshot({ path: `${name}-in.png` }) }
    console.log(name, v.complaints)
    await v.close()
  }
  await app.close()
}
await browser.close()
