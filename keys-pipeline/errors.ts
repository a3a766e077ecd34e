/**
 * Every finding the publisher knows, with the sentence that tells what to do. Codes are stable: scripts and the
 * manual name them. Codes about private material begin with `private_`.
 */
export const CODES = {
  private_member:
    'Take the key out, make a new pair, and treat this one as leaked if it was ever pushed or shared.',
  private_pem:
    'Keep only the public half: openssl pkey -in FILE -pubout. If this file was ever pushed or shared, make a new pair.',
  private_der:
    'Keep only the public half: openssl pkey -inform DER -in FILE -pubout. If this file was ever pushed or shared, make a new pair.',
  private_pkcs12:
    'Keep only the certificate: openssl pkcs12 -in FILE -nokeys -clcerts. If this file was ever pushed or shared, make a new pair.',
  file_unreadable: 'Check that the path exists and may be read.',
  file_oversize: 'A key file holds one key or one key set; take out what else is in it.',
  file_unknown:
    'Only .pem .crt .cer .der .pub .jwk .jwks .json files belong here; move this one away.',
  file_not_regular: 'Replace it by a plain file.',
  link_outside:
    'Copy the file here instead of linking to it: what is published must be in the commit.',
  text_encoding:
    'Save the file as UTF-8. (PowerShell’s > writes UTF-16: use Out-File -Encoding ascii.)',
  form_unknown:
    'Give an SPKI or PKCS#1 public key in PEM, an X.509 certificate, a JWK or a JWKS. From OpenSSH: ssh-keygen -e -m PKCS8 -f FILE.',
  pem_truncated: 'Copy the file again, from -----BEGIN to the matching -----END line.',
  pem_unreadable: 'Export the public key again: openssl pkey -in PRIVATE -pubout.',
  several_keys_in_file:
    'Put each key into a file of its own; of a certificate chain keep the first.',
  json_unreadable: 'Make it one JSON document: a JWK, or an object with a "keys" array.',
  json_member_twice: 'Keep one of the two: readers differ in which they take.',
  key_malformed: 'Export the key again with the tool that made it.',
  kty_unsupported: 'EHRs take RSA and EC keys: npm run -s keys -- generate.',
  curve_unsupported:
    'EHRs take P-256 (ES256) and P-384 (ES384): npm run -s keys -- generate --alg ES384.',
  base64url_not_canonical: 'Encode the bytes as base64url without padding (RFC 7515 §2).',
  integer_leading_zero: 'Leave out the leading zero byte (RFC 7518 §2, Base64urlUInt).',
  ec_coordinate_length:
    'Pad x and y with zero bytes on the left to the full length of the curve (RFC 7518 §6.2.1.2).',
  point_off_curve: 'Export the key again: no signature can ever match this one.',
  rsa_short: 'Make a key of 2048 bits or more: npm run -s keys -- generate.',
  rsa_long: 'Make a key of 2048 to 4096 bits: npm run -s keys -- generate.',
  rsa_exponent: 'Make a key with the usual exponent 65537: npm run -s keys -- generate.',
  rsa_modulus_weak:
    'The modulus has a small factor, so it is damaged or broken: npm run -s keys -- generate.',
  use_not_sig: 'Publish signing keys only: "use":"sig", or key_ops with "verify".',
  alg_unsupported: 'Use RS256, RS384, RS512, ES256 or ES384.',
  alg_mismatch: 'Name an algorithm that fits the key, or leave alg out.',
  kid_invalid:
    'Use 1 to 128 printable ASCII characters, or leave kid out to get the RFC 7638 thumbprint.',
  kid_dev:
    'Keys with a kid beginning dev- are made by serve --dev and thrown away: npm run -s keys -- generate.',
  kid_duplicate: 'Give each key a kid of its own, or leave kid out to get the RFC 7638 thumbprint.',
  key_twice: 'Delete one of the two.',
  key_in_both_environments:
    'Make a key of its own for one of them: npm run -s keys -- generate --environment nonprod.',
  set_empty: 'Make a first key: npm run -s keys -- generate --environment nonprod.',
  too_many_keys: 'Retire keys that no longer sign: Epic reads 100 at most.',
  lifecycle_unreadable: 'Mend the file, or restore it from the last commit.',
  settings_invalid: 'Mend the line that is named.',
  out_not_ours: 'Name an empty or new folder, or delete this one yourself.',
  out_damaged: 'Build again: npm run -s keys -- build.',
  live_name_not_found: 'Check the DNS records of the host, and that they are public.',
  live_unreachable: 'Check that the host is up and that port 443 is open to the world.',
  live_timeout: 'Ask the host why it is slow; EHRs give up after a few seconds.',
  live_tls: 'Renew the certificate, or install it for this name with its whole chain.',
  live_too_large: 'Serve the key set itself, without anything around it.',
  live_redirect: 'Register and serve the final URL: EHRs need not follow redirects.',
  live_sign_in: 'Take the sign-in away: the key set is public.',
  live_not_found:
    'Publish the site; on GitHub Pages upload with include-hidden-files: true, or .well-known is left out.',
  live_rate_limited: 'Wait, and ask less often; hospitals meet the same limit.',
  live_server_error:
    'Look at the host’s status page; Epic rides it out for as long as its copy of the set lives.',
  live_status: 'Serve the key set with status 200.',
  live_html: 'Serve the JSON itself: an error page or a portal answers in its place.',
  live_type: 'Serve the key set as application/json; its name must end in .json.',
  live_not_json: 'Serve the file that the build wrote.',
  live_not_key_set: 'Serve the file that the build wrote.',
  live_stale_edge:
    'Wait: the content delivery network still has the old set (ten minutes on GitHub Pages).',
  live_stale_origin:
    'Wait; after 20 minutes publish again by a new commit, since a second deployment of one commit may do nothing.',
  only_young_keys:
    'Wait until a key that stays has been live for the guard time, or publish first and remove in a later commit.',
  live_since_unknown:
    'Say since when a key that stays has been live, and how you know: retire … --live-since TIME --reason TEXT.',
  kid_changed:
    'Give the new key a kid of its own: verifiers that keep keys by kid never look at it again.',
  url_changed:
    'Put the old URL back: EHRs have it. If none has it yet, say so in publisher.yaml: moved, with from and reason.',
  removal_without_reason: 'Put the file back, and retire the key: npm run -s keys -- retire.',
  still_signing:
    'Let the broker release the key when it has stopped signing: npm run -s broker -- release. Without a broker: --unreleased --reason TEXT.',
  release_invalid: 'Make the release again, by a key that stays: npm run -s broker -- release.',
  retired_key_returns:
    'Delete the file (npm run -s keys -- retire does) and make a new pair: npm run -s keys -- generate.',
  proof_missing:
    'Let whoever holds the private key prove it: npm run -s keys -- prove, then add --proof.',
  proof_invalid:
    'Make the proof again for this key and this URL: npm run -s keys -- prove, then add --proof.',
  key_not_found: 'Look at what there is: npm run -s keys -- list.',
  private_key_unusable:
    'Name the file of one private key, RSA or EC, in PEM or JWK, not encrypted.',
  github_unreachable: 'Try again; look at githubstatus.com.',
  github_refused: 'Give a token that may do what is named: GITHUB_TOKEN.',
  github_not_found: 'Check the name OWNER/REPOSITORY, and that the token may read it.',
  github_failed: 'Try again; if it stays, look at githubstatus.com.',
  github_rejected:
    'Read what GitHub says: a rule of the repository forbids it, or somebody else was first.',
  pages_missing: 'Turn GitHub Pages on: Settings → Pages → Source: GitHub Actions.',
  pages_not_workflow: 'Set Settings → Pages → Source to GitHub Actions.',
  pages_private: 'Make the site public: an EHR signs in nowhere.',
  pages_http_allowed: 'Tick Settings → Pages → Enforce HTTPS.',
  pages_certificate:
    'Look at Settings → Pages; remove and add the domain again if it does not move within a day.',
  pages_certificate_expiring:
    'Look at Settings → Pages: GitHub should have renewed it; check the domain’s CAA and DNS records.',
  pages_other_url:
    'Make baseUrl in publisher.yaml and Settings → Pages name the same address: a change moves the registered URL.',
  pages_domain_unverified:
    'Verify the domain (Settings of the owner → Pages), or somebody else can claim it.',
  branch_unprotected:
    'Make a rule for the branch that requires the check judge-keys: Settings → Rules → Rulesets.',
  branch_review_missing:
    'Make a rule for the branch that requires a pull request and a review from code owners: Settings → Rules → Rulesets.',
  deployment_behind:
    'Look at the newest run of publish-keys; a failed deployment is repeated by a new commit.',
  branch_owners_invalid:
    'Name a team or people who have write access in .github/CODEOWNERS, in place of @OWNER/key-custodians.',
  branch_taken:
    'See whose commits those are; delete the branch if they are of no use, and propose again.',
  actions_not_pinned:
    'Tick Settings → Actions → General → Require actions to be pinned to a full-length commit SHA. To see it, a token needs Administration: read.',
  tls_unusable:
    'Give a certificate chain and its private key, both in PEM: --cert FILE --tls-key FILE.',
  address_unusable: 'Name another --host or --port, or 0 for a free port.',
  write_failed: 'Check that the folder exists, has room, and may be written.',
  file_exists: 'Move it away first; nothing was overwritten.',
} as const

export type Code = keyof typeof CODES

export interface Finding {
  code: Code
  file: string
  kid: string | null
  message: string
  fix: string
}

/** What is told of a fault, whoever has its code in a table. */
export type Told = Omit<Finding, 'code'> & { code: string }

/** A finding with its fix from the table. The message must never hold any of the file's content. */
export function finding(
  code: Code,
  file: string,
  message: string,
  kid: string | null = null,
): Finding {
  return { code, file, kid, message: shown(message), fix: CODES[code] }
}

/** What a command could not do, as one or more findings. */
export class PipelineError extends Error {
  readonly code: Code
  readonly findings: readonly Finding[]

  constructor(first: Finding, ...others: Finding[]) {
    super(`${first.file}: ${first.message}`)
    this.name = 'PipelineError'
    this.code = first.code
    this.findings = [first, ...others]
  }
}

/** Ends what cannot be done with all that is wrong with it; no findings, no end. */
export function refuseAny([first, ...others]: readonly Finding[]): void {
  if (first) throw new PipelineError(first, ...others)
}

/** Text from outside made harmless for a terminal: control, bidirectional and non-ASCII characters as \u escapes. */
export function shown(text: string): string {
  return text.replace(/[^\x20-\x7e]/gu, char => {
    const hex = (char.codePointAt(0) ?? 0).toString(16)
    return hex.length > 4 ? `\\u{${hex}}` : `\\u${hex.padStart(4, '0')}`
  })
}
