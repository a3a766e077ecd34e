import { type GitHubServer, REPOSITORY } from './github-server.ts'

/** The settings of a repository that publishes as the manual asks for it; `baseUrl` is on a domain of its own. */
export function asItShouldBe(
  baseUrl: string,
): Pick<GitHubServer, 'pages' | 'rules' | 'owners' | 'permissions'> {
  const { hostname } = new URL(baseUrl)
  const from = {
    ruleset_source_type: 'Repository',
    ruleset_source: REPOSITORY,
    ruleset_id: 1,
  }
  return {
    pages: {
      url: `https://api.github.com/repos/${REPOSITORY}/pages`,
      status: 'built',
      cname: hostname,
      custom_404: true,
      html_url: `${baseUrl}/`,
      build_type: 'workflow',
      public: true,
      https_enforced: true,
      protected_domain_state: 'verified',
      https_certificate: {
        state: 'approved',
        description: 'x',
        domains: [hostname],
        expires_at: '2099-01-01',
      },
    },
    rules: [
      {
        ...from,
        type: 'required_status_checks',
        parameters: {
          required_status_checks: [{ context: 'judge-keys' }],
          strict_required_status_checks_policy: false,
        },
      },
      {
        ...from,
        type: 'pull_request',
        parameters: {
          dismiss_stale_reviews_on_push: true,
          require_code_owner_review: true,
          require_last_push_approval: true,
          required_approving_review_count: 1,
          required_review_thread_resolution: false,
        },
      },
    ],
    owners: [],
    permissions: { enabled: true, sha_pinning_required: true },
  }
}
