import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyPluginCallback } from 'fastify'

const FOLDER = join(import.meta.dirname, '..', 'dashboard')

/** By the path that they are served at. */
const FILES = {
  '/': 'index.html',
  '/icon.svg': 'icon.svg',
  '/main.js': 'main.js',
  '/elements.js': 'elements.js',
  '/details.js': 'details.js',
  '/upstreams.js': 'upstreams.js',
  '/keys.js': 'keys.js',
  '/road.js': 'road.js',
  '/lists.js': 'lists.js',
} as const

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
}

const read = (file: string): string => readFileSync(join(FOLDER, file), 'utf8')

/** In the page itself: one journey less before the first paint. */
const STYLE = read('style.css')

/** Nothing but these files and the broker itself; text can never become markup. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  `style-src 'sha256-${hash('sha256', STYLE, 'base64')}'`,
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

/** Whether the route is the page itself, in which nothing of the broker is. */
export const isPage = (path: string | undefined): boolean =>
  path !== undefined && Object.hasOwn(FILES, path)

/** The dashboard's files, read once. The page asks for the operator's token where the listener does. */
export const dashboardRoutes: FastifyPluginCallback<{ asksToken: boolean }> = (
  scope,
  { asksToken },
  done,
) => {
  for (const [path, file] of Object.entries(FILES)) {
    const text = read(file).replace('<style></style>', () => `<style>${STYLE}</style>`)
    const served = asksToken ? text.replace('<html lang="en">', ASKING) : text
    const type = TYPES[file.split('.').at(-1) ?? '']
    scope.get(path, async (_, reply) =>
      reply.headers({ 'content-type': type, 'cache-control': 'no-cache', ...SAFE }).send(served),
    )
  }
  done()
}

const ASKING = '<html lang="en" data-token="asked">'

const SAFE = {
  'content-security-policy': POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}
