import type { CheckName } from './checks.ts'

type Level = 'bad' | 'warning'

/** A row per fault that the doctor names himself; faults of keys and of GitHub have their rows in errors.ts. */
export const FAULTS = {
  url_not_https: row('url', 'bad', 'Serve it over TLS and register the https URL.'),
  url_not_plain: row('url', 'bad', 'Register a URL without user, password or fragment.'),
  url_is_address: row('url', 'warning', 'Register a name: an address cannot be moved.'),
  url_port: row('url', 'warning', 'Serve it on port 443: hospitals’ firewalls pass few others.'),
  url_shared_host: row(
    'url',
    'warning',
    'Register a URL under a domain of your own: it can be moved and be allowed by name.',
  ),
  url_raw_host: row(
    'url',
    'bad',
    'Publish by GitHub Pages or a web server: this host gives text/plain, and no promise.',
  ),

  name_not_found: row('name', 'bad', 'Add the DNS record, in public DNS.'),
  name_private: row('name', 'bad', 'Give the name a public address: a hospital cannot reach this.'),
  name_without_ipv4: row('name', 'bad', 'Add an A record: hospitals’ servers mostly have no IPv6.'),

  door_closed: row('door', 'bad', 'Open the port to the whole world; no allow-list can be kept.'),
  door_of_one_closed: row(
    'door',
    'bad',
    'Mend the server at that address, or take it out of DNS: some hospitals get it.',
  ),

  tls_none: row('certificate', 'bad', 'Let this port speak TLS.'),
  tls_failed: row('certificate', 'bad', 'Look at the server’s own log of handshakes.'),
  client_certificate_asked: row(
    'certificate',
    'bad',
    'Ask for no client certificate: the key set is public.',
  ),
  certificate_expired: row(
    'certificate',
    'bad',
    'Renew the certificate, and let that be done by itself.',
  ),
  certificate_not_yet_valid: row(
    'certificate',
    'bad',
    'Install a certificate that is valid now; look at the clock of who issued it.',
  ),
  certificate_other_name: row(
    'certificate',
    'bad',
    'Get a certificate for this name; on GitHub Pages set the custom domain and wait for it.',
  ),
  certificate_untrusted: row(
    'certificate',
    'bad',
    'Use a certificate of a public authority, such as Let’s Encrypt.',
  ),
  chain_incomplete: row(
    'certificate',
    'bad',
    'Serve the intermediate certificates too (fullchain.pem, not cert.pem): browsers fetch them, servers do not.',
  ),
  certificate_weak: row(
    'certificate',
    'bad',
    'Get a certificate with RSA of 2048 bits or P-256, signed with SHA-256.',
  ),
  certificate_ends_soon: row('certificate', 'warning', 'See that it is renewed by itself.'),
  certificates_differ: row(
    'certificate',
    'warning',
    'Give all servers behind the name the same certificate.',
  ),

  tls_too_old: row('protocol', 'bad', 'Turn TLS 1.2 and 1.3 on.'),
  tls_old_accepted: row('protocol', 'warning', 'Turn TLS 1.0 and 1.1 off (RFC 8996).'),
  tls_only_newest: row(
    'protocol',
    'warning',
    'Turn TLS 1.2 on beside 1.3: Windows Server 2019 has no 1.3.',
  ),

  http_served: row(
    'plain',
    'warning',
    'Redirect http to the https URL (GitHub Pages: Enforce HTTPS).',
  ),
  http_elsewhere: row('plain', 'warning', 'Redirect http to this very URL over https.'),

  redirected: row(
    'answer',
    'bad',
    'Register and serve the URL that it leads to: EHRs need not follow.',
  ),
  sign_in_asked: row('answer', 'bad', 'Take the sign-in away: the key set is public.'),
  forbidden: row(
    'answer',
    'bad',
    'Allow everybody: look at the rules of the firewall, the bucket or the proxy in front.',
  ),
  not_found: row(
    'answer',
    'bad',
    'Publish the site; on GitHub Pages upload with include-hidden-files: true, or .well-known is left out.',
  ),
  rate_limited: row(
    'answer',
    'bad',
    'Raise the limit, or put a cache in front: hospitals ask from few addresses.',
  ),
  server_error: row('answer', 'bad', 'Look at the host’s log and status page.'),
  status_other: row('answer', 'bad', 'Serve the key set with status 200.'),
  answer_broken: row(
    'answer',
    'bad',
    'Look at the server’s log: the connection ended within the answer.',
  ),
  answer_timeout: row(
    'answer',
    'bad',
    'Find what keeps the server from answering: the file is static.',
  ),
  answer_too_large: row('answer', 'bad', 'Serve the key set itself, without anything around it.'),
  some_clients_refused: row(
    'answer',
    'bad',
    'Take bot protection away from this path: Epic’s servers are no browsers.',
  ),
  address_answers_otherwise: row(
    'answer',
    'bad',
    'Make all addresses of the name serve the same site.',
  ),

  sometimes_fails: row(
    'steady',
    'bad',
    'Find the server behind the name that fails, by the answers’ headers.',
  ),
  sets_differ: row(
    'steady',
    'bad',
    'Publish to all servers at once, or wait until all have the new set.',
  ),
  edge_stale: row(
    'steady',
    'warning',
    'Wait until the network in front has the new set (ten minutes on GitHub Pages).',
  ),
  origin_fails: row(
    'steady',
    'bad',
    'Mend the origin: the network in front still answers from its copy.',
  ),

  slow: row('time', 'bad', 'Serve a static file, from near: no program needs to run for it.'),
  rather_slow: row(
    'time',
    'warning',
    'Serve a static file, from near: no program needs to run for it.',
  ),

  html: row(
    'type',
    'bad',
    'Serve the JSON itself: an error page or a portal answers in its place.',
  ),
  type_other: row(
    'type',
    'bad',
    'Serve it as application/json; a name that ends in .json mostly does it.',
  ),
  encoding_unasked: row(
    'type',
    'bad',
    'Compress only for clients that ask for it (Accept-Encoding).',
  ),
  byte_order_mark: row(
    'type',
    'bad',
    'Save the file as UTF-8 without a byte order mark (RFC 8259 §8.1).',
  ),

  cache_unsaid: row(
    'caching',
    'warning',
    'Send Cache-Control: public, max-age=86400, s-maxage=600.',
  ),
  cache_none: row(
    'caching',
    'warning',
    'Send Cache-Control: public, max-age=86400, s-maxage=600; no-store is for tests.',
  ),
  cache_long: row('caching', 'warning', 'Send a max-age of 104400 (29 h) at most.'),
  cache_hides_new_keys: row(
    'caching',
    'warning',
    'Send s-maxage=600, so that a hospital’s shared proxy finds a new key soon.',
  ),
  cache_unreadable: row(
    'caching',
    'warning',
    'Send Cache-Control once: public, max-age=86400, s-maxage=600.',
  ),

  cors_missing: row('cors', 'warning', 'Send Access-Control-Allow-Origin: *'),

  not_json: row('json', 'bad', 'Serve the file that the build wrote.'),
  not_key_set: row(
    'json',
    'bad',
    'Serve {"keys":[…]}, not a bare key, and not a document around it.',
  ),
  no_keys: row('json', 'bad', 'Publish a key: npm run -s keys -- generate.'),
  size_large: row('json', 'warning', 'Retire keys that no longer sign.'),

  kid_missing: row('keys', 'bad', 'Give the key a kid: SMART servers choose the key by it.'),
  alg_missing: row('keys', 'warning', 'Name the algorithm, so that the EHR need not guess.'),
  use_missing: row('keys', 'warning', 'Say "use":"sig".'),
  members_extra: row('keys', 'warning', 'Publish the bare members only.'),

  ehr_takes_none: row(
    'ehr',
    'bad',
    'Publish a key of an algorithm that it takes: npm run -s keys -- generate --alg.',
  ),

  keys_missing: row(
    'repository',
    'bad',
    'Publish again by a new commit; see npm run -s keys -- verify.',
  ),
  keys_extra: row(
    'repository',
    'bad',
    'Find out whose key that is: whoever holds it can sign as the company.',
  ),
  key_of_other_environment: row(
    'repository',
    'bad',
    'Publish only the keys of this environment here: npm run -s keys -- retire the other.',
  ),
  text_differs: row(
    'repository',
    'warning',
    'Publish again: the same keys are there in other bytes.',
  ),

  private_key_not_published: row(
    'private_key',
    'bad',
    'Publish its public half first: npm run -s keys -- add; or name the right file.',
  ),
  private_key_kid_differs: row(
    'private_key',
    'bad',
    'Let the assertion’s header name the kid that is published.',
  ),
} as const

export type FaultName = keyof typeof FAULTS

function row<C extends CheckName>(check: C, level: Level, fix: string) {
  return { check, level, fix } as const
}
