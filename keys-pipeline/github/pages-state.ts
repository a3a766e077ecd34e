import Type, { type Static } from 'typebox'
import { type Code, type Finding, finding } from '../errors.ts'
import type { GitHub } from './client.ts'
import { isMissing } from './failure.ts'
import { replyReader } from './reply.ts'

/** How GitHub Pages is set for the repository; null is what GitHub does not say. */
export interface PagesState {
  url: string | null
  buildType: string | null
  isPublic: boolean
  isHttpsEnforced: boolean | null
  /** The custom domain. Without one the certificate is GitHub's own, and not spoken of. */
  domain: string | null
  isDomainVerified: boolean
  certificate: Certificate | null
}

interface Certificate {
  state: string
  domains: readonly string[]
  /** Milliseconds since the epoch: the first moment of its last day. */
  expires: number | null
}

const Page = Type.Object({
  html_url: Type.Optional(Type.String()),
  build_type: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  public: Type.Boolean(),
  https_enforced: Type.Optional(Type.Boolean()),
  cname: Type.Union([Type.String(), Type.Null()]),
  protected_domain_state: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  https_certificate: Type.Optional(
    Type.Object({
      state: Type.String(),
      domains: Type.Array(Type.String()),
      expires_at: Type.Optional(Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}' })),
    }),
  ),
})
const readPage = replyReader('state of Pages', Page)

/**
 * The site's settings; null where there is no site. Refused: `github_*`.
 *
 * @see GitHub REST, "Get a GitHub Pages site"
 */
export async function readPagesState(github: GitHub): Promise<PagesState | null> {
  const { octokit, owner, repo } = github
  try {
    const { data } = await octokit.rest.repos.getPages({ owner, repo })
    return stateOf(readPage(github, data))
  } catch (error) {
    if (!isMissing(error)) throw error
    // No site and no such repository look the same: only a repository that is there can be without a site.
    await octokit.rest.repos.get({ owner, repo })
    return null
  }
}

function stateOf(page: Static<typeof Page>): PagesState {
  const { state, domains, expires_at } = page.https_certificate ?? {}
  const expires = Date.parse(expires_at ?? '')
  return {
    url: page.html_url ?? null,
    buildType: page.build_type ?? null,
    isPublic: page.public,
    isHttpsEnforced: page.https_enforced ?? null,
    domain: page.cname,
    isDomainVerified: page.protected_domain_state === 'verified',
    certificate:
      state === undefined
        ? null
        : { state, domains: domains ?? [], expires: Number.isNaN(expires) ? null : expires },
  }
}

/** Days. Let's Encrypt's certificates last 64 days from 2027 on, and GitHub renews them weeks before their end. */
const DAYS_LEFT = 14
const DAY = 24 * 60 * 60 * 1000

/** What of the settings an EHR would stumble over, now or soon. What GitHub does not say is never good. */
export function judgePagesState(
  state: PagesState | null,
  { baseUrl, now }: { baseUrl: string; now: number },
): Finding[] {
  if (state === null)
    return [finding('pages_missing', baseUrl, 'the repository has no site that this token may see')]
  const faults: [Code, string | null][] = [
    ['pages_not_workflow', workflowFault(state)],
    ['pages_private', state.isPublic ? null : 'only members may see the site'],
    ['pages_http_allowed', httpFault(state)],
    ['pages_other_url', urlFault(state, baseUrl)],
    ['pages_domain_unverified', verificationFault(state)],
    ['pages_certificate', certificateFault(state)],
    ['pages_certificate_expiring', expiryFault(state, now)],
  ]
  return faults.flatMap(([code, message]) =>
    message === null ? [] : [finding(code, baseUrl, message)],
  )
}

const workflowFault = ({ buildType }: PagesState): string | null =>
  buildType === 'workflow'
    ? null
    : `the site is built by ${buildType ?? 'what GitHub does not say'}`

function httpFault({ isHttpsEnforced }: PagesState): string | null {
  if (isHttpsEnforced === true) return null
  return isHttpsEnforced === false
    ? 'HTTPS is not enforced'
    : 'GitHub does not say whether HTTPS is enforced'
}

function urlFault({ url, domain }: PagesState, baseUrl: string): string | null {
  if (url === null) return 'GitHub does not say where the site is'
  if (addressOf(url) !== addressOf(baseUrl)) return `GitHub serves the site at ${url}`
  const host = new URL(baseUrl).hostname
  if (domain !== null && domain.toLowerCase() !== host) return `the custom domain is ${domain}`
  return null
}

/** Host and path: the scheme has a finding of its own. */
function addressOf(url: string): string {
  if (!URL.canParse(url)) return url
  const { host, pathname } = new URL(url)
  return `${host}${pathname}`.replace(/\/+$/, '')
}

const verificationFault = ({ domain, isDomainVerified }: PagesState): string | null =>
  domain === null || isDomainVerified ? null : `${domain} is not verified for its owner`

function certificateFault({ domain, certificate }: PagesState): string | null {
  if (domain === null) return null
  if (certificate === null) return `there is no certificate for ${domain}`
  if (certificate.state !== 'approved') return `the certificate is ${certificate.state}`
  const isNamed = certificate.domains.some(name => name.toLowerCase() === domain.toLowerCase())
  return isNamed ? null : `the certificate does not name ${domain}`
}

function expiryFault({ domain, certificate }: PagesState, now: number): string | null {
  if (domain === null || certificate === null) return null
  if (certificate.expires === null) return 'GitHub does not say when the certificate ends'
  const days = Math.floor((certificate.expires - now) / DAY)
  if (days >= DAYS_LEFT) return null
  return days < 0 ? 'the certificate has ended' : `the certificate ends in ${days} days`
}
