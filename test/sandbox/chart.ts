import type { FastifyInstance } from 'fastify'
import { chartPage, PAGE_HEADERS } from './authorize-pages.ts'
import type { Launch } from './launches.ts'
import { PATIENT_NAMES } from './people.ts'

/** The EHR's own pages: a chart for each patient, from which an app is started, in this window or in a frame of it. */
export function openChart(
  server: FastifyInstance,
  path: string,
  launchUrl: (launch: Pick<Launch, 'clientId' | 'patient'>) => string,
): void {
  server.get<{ Querystring: Record<string, string> }>(path, async ({ query }, reply) => {
    const { client = '', patient, frame } = query
    const url = (each: string, more = ''): string =>
      `?${new URLSearchParams({ client, patient: each })}${more}`
    const starts = Object.entries(PATIENT_NAMES).flatMap(([id, name]) => [
      { label: `Start the app for ${name}`, url: url(id) },
      { label: `Start the app for ${name} in this page`, url: url(id, '&frame=1') },
    ])
    if (patient === undefined) return reply.headers(PAGE_HEADERS).send(chartPage(starts, null))
    const launch = launchUrl({ clientId: client, patient })
    if (frame === undefined) return reply.redirect(launch, 302)
    const { 'content-security-policy': policy, ...headers } = PAGE_HEADERS
    return reply
      .headers(headers)
      .header('content-security-policy', `${policy}; frame-src 'self' ${new URL(launch).origin}`)
      .send(chartPage([], launch))
  })
}
