import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import fastify from 'fastify'
import { expect, onTestFinished, test } from 'vitest'
import { dashboardRoutes, isPage } from '../../../broker/http/dashboard-routes.ts'
import { PROJECT } from '../../support/processes.ts'

function served(asksToken = false) {
  const app = fastify()
  app.register(dashboardRoutes, { asksToken })
  onTestFinished(() => app.close())
  return app
}

/** The style is in the page. */
const FILES = readdirSync(join(PROJECT, 'broker', 'dashboard'))
  .filter(name => name !== 'style.css')
  .map(name => (name === 'index.html' ? '/' : `/${name}`))

test.each(FILES)('%s is served as what it is, and asked for anew after an upgrade', async path => {
  expect(isPage(path)).toBe(true)
  const reply = await served().inject(path)
  expect([reply.statusCode, reply.headers['cache-control']]).toEqual([200, 'no-cache'])
  expect(reply.headers['content-type']).toMatch(/^(text\/(html|css|javascript)|image\/svg\+xml)/)
  expect(reply.headers['x-content-type-options']).toBe('nosniff')
})

test('the policy lets in the page’s own files, and neither inline code nor markup made of text', async () => {
  const { headers } = await served().inject('/')
  const policy = String(headers['content-security-policy'])
  expect(policy).toContain("default-src 'none'")
  expect(policy).toContain("frame-ancestors 'none'")
  expect(policy).toContain("require-trusted-types-for 'script'")
  expect(policy).not.toMatch(/unsafe|\*|https?:|data:/)
})

test('nothing of the page comes from elsewhere', async () => {
  for (const path of FILES) {
    const { body } = await served().inject(path)
    const urls = (body.match(/https?:\/\/[^\s'"]+/g) ?? []).filter(
      url => url !== 'http://www.w3.org/2000/svg',
    )
    expect([path, urls]).toEqual([path, []])
  }
})

test.each([
  [true, true],
  [false, false],
])('the page knows whether the listener asks for a token: %s', async (asksToken, isTold) => {
  const { body } = await served(asksToken).inject('/')
  expect(body.includes('data-token="asked"')).toBe(isTold)
})

test.each([undefined, '/status', '/metrics', '/constructor', '/broker.yaml', '/../errors.ts'])(
  '%s is no part of the page',
  path => {
    expect(isPage(path)).toBe(false)
  },
)
