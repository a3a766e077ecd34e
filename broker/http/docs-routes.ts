import swaggerUi from '@fastify/swagger-ui'
import type { FastifyPluginCallback } from 'fastify'

/** Nothing but the files of the page and the document; `data:` are the small pictures in its style sheet. */
const POLICY = {
  'default-src': "'none'",
  'script-src': "'self'",
  'style-src': "'self'",
  'img-src': "'self' data:",
  'connect-src': "'self'",
  'base-uri': "'none'",
  'form-action': "'none'",
  'frame-ancestors': "'none'",
}

const SAFE = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/** No button to authorise by, since nothing is sent; and letters that stand out from what is behind them. */
const STYLE = `
.swagger-ui .auth-wrapper, .swagger-ui .authorization__btn { display: none }
.swagger-ui .opblock.opblock-post .opblock-summary-method { background: #14623d }
.swagger-ui .opblock.opblock-get .opblock-summary-method { background: #1f5a9c }
.swagger-ui .info .title small { background: #4a5261 }
.swagger-ui .info .title small.version-stamp { background: #3f5e00 }
.swagger-ui .info .url { color: #1f5a9c }
`

/**
 * `/openapi.json`, and `/docs` where people read it. The page sends no requests but for its own files: who tries an
 * endpoint from a browser would type a service's secret into a page, and see a token in it.
 */
export const docsRoutes: FastifyPluginCallback = (scope, _, done) => {
  scope.addHook('onRequest', async (_, reply) => void reply.headers(SAFE))
  scope.get('/openapi.json', async () => scope.swagger())
  scope.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: POLICY,
    uiConfig: {
      layout: 'BaseLayout',
      docExpansion: 'list',
      defaultModelsExpandDepth: 0,
      supportedSubmitMethods: [],
    },
    theme: { title: 'Lockstep broker: interface', css: [{ filename: 'ours.css', content: STYLE }] },
  })
  done()
}
