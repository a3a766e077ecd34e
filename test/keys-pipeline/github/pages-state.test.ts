import { describe, expect, test } from 'vitest'
import { judgePagesState, readPagesState } from '../../../keys-pipeline/github/pages-state.ts'
import { githubForEach, REPOSITORY } from '../../support/github-server.ts'
import { codes, refusalOf } from '../../support/keys.ts'

const server = githubForEach()
const baseUrl = 'https://keys.example.com'
const now = Date.UTC(2026, 10, 25)

const good = {
  url: `https://api.github.com/repos/${REPOSITORY}/pages`,
  status: 'built',
  cname: 'keys.example.com',
  custom_404: true,
  html_url: 'https://keys.example.com/',
  build_type: 'workflow',
  public: true,
  https_enforced: true,
  protected_domain_state: 'verified',
  https_certificate: {
    state: 'approved',
    description: 'x',
    domains: ['keys.example.com'],
    expires_at: '2027-01-20',
  },
}
const certificate = (more: object) => ({
  https_certificate: { ...good.https_certificate, ...more },
})

async function judged(more: object, base = baseUrl): Promise<string[]> {
  server().pages = { ...good, ...more }
  return codes(judgePagesState(await readPagesState(server().open()), { baseUrl: base, now }))
}

describe('is good', () => {
  const github = { cname: null, protected_domain_state: null, https_certificate: undefined }
  test.each<[string, object, string?]>([
    ['a custom domain with all in order', {}],
    ['a certificate with 14 days left', certificate({ expires_at: '2026-12-09' })],
    [
      'GitHub’s own domain',
      { ...github, html_url: 'https://a.github.io/b/' },
      'https://a.github.io/b',
    ],
  ])('%s', async (_, more, base) => {
    expect(await judged(more, base)).toEqual([])
  })
})

describe('is named', () => {
  test.each<[string, object, string]>([
    ['a site that is built from a branch', { build_type: 'legacy' }, 'pages_not_workflow'],
    ['a site for members', { public: false }, 'pages_private'],
    ['a site in clear', { https_enforced: false }, 'pages_http_allowed'],
    ['a site that may be in clear', { https_enforced: undefined }, 'pages_http_allowed'],
    ['another address', { html_url: 'https://other.example.com/' }, 'pages_other_url'],
    ['another path', { html_url: 'https://keys.example.com/b/' }, 'pages_other_url'],
    ['another domain', { cname: 'other.example.com' }, 'pages_other_url'],
    [
      'a domain that anybody may claim',
      { protected_domain_state: 'unverified' },
      'pages_domain_unverified',
    ],
    [
      'a certificate that is not there yet',
      certificate({ state: 'authorization_pending' }),
      'pages_certificate',
    ],
    ['no certificate', { https_certificate: undefined }, 'pages_certificate'],
    [
      'a certificate for another name',
      certificate({ domains: ['a.example.com'] }),
      'pages_certificate',
    ],
    [
      'a certificate with 13 days left',
      certificate({ expires_at: '2026-12-08' }),
      'pages_certificate_expiring',
    ],
    [
      'a certificate that has ended',
      certificate({ expires_at: '2026-11-01' }),
      'pages_certificate_expiring',
    ],
    [
      'a certificate without an end',
      certificate({ expires_at: undefined }),
      'pages_certificate_expiring',
    ],
  ])('%s', async (_, more, code) => {
    expect(await judged(more)).toContain(code)
  })
})

test('a repository without a site is told from one that is not there', async () => {
  expect(codes(judgePagesState(await readPagesState(server().open()), { baseUrl, now }))).toEqual([
    'pages_missing',
  ])
  const elsewhere = server().open({ repository: 'acme-health/other' })
  expect(codes(await refusalOf(readPagesState(elsewhere)))).toEqual(['github_not_found'])
})
