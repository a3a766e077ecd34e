/** What the doctor looks at, in the order in which an EHR would stumble over it. */
export const CHECKS = {
  url: {
    title: 'URL',
    why: 'Epic registers one https URL that must never change, and hospitals’ firewalls pass port 443.',
    source: 'Epic, OAuth 2.0: JWK Set URL',
  },
  name: {
    title: 'name',
    why: 'Each hospital looks the name up from its own network, in public DNS.',
    source: 'Epic, OAuth 2.0: JWK Set URL, publicly reachable',
  },
  door: {
    title: 'connection',
    why: 'A hospital gets any one of the addresses, and asks no second one.',
    source: 'Epic, OAuth 2.0: JWK Set URL, publicly reachable',
  },
  certificate: {
    title: 'certificate',
    why: 'Epic’s servers trust what Windows trusts, and do not say why they refuse.',
    source: 'RFC 9110 §4.3.4 · RFC 5280 §6',
  },
  protocol: {
    title: 'TLS version',
    why: 'SMART asks for TLS 1.2 or later; Windows Server speaks 1.3 only from 2022 on.',
    source: 'SMART App Launch 2.2, security considerations · RFC 8996 · Microsoft Schannel',
  },
  plain: {
    title: 'http',
    why: 'Whoever types http:// should end at the same URL over TLS, or nowhere.',
    source: 'Epic, OAuth 2.0: JWK Set URL, TLS',
  },
  answer: {
    title: 'answer',
    why: 'Nothing is said of redirects, of a sign-in or of retries: only status 200 is sure to be taken.',
    source: 'Epic, OAuth 2.0: JWK Set URL · SMART App Launch 2.2, client-confidential-asymmetric',
  },
  steady: {
    title: 'repeated',
    why: 'Hundreds of hospitals ask at different moments; one bad answer is an invalid_client there.',
    source: 'Epic, OAuth 2.0: JWK Set URL, responsive',
  },
  time: {
    title: 'time',
    why: 'EHRs give up after a few seconds: Singpass after 3, One Login after 5; Epic does not say.',
    source: 'Epic, OAuth 2.0: JWK Set URL, responsive',
  },
  type: {
    title: 'type',
    why: 'EHRs ask for JSON, and some refuse the same bytes under another type or encoding.',
    source: 'SMART App Launch 2.2, client-confidential-asymmetric · RFC 9110 §8.4',
  },
  caching: {
    title: 'caching',
    why: 'It says how long a removed key stays trusted, and how long an outage is ridden out.',
    source: 'Epic, OAuth 2.0: JWK Set URL, caching · RFC 9111 §4.2',
  },
  cors: {
    title: 'CORS',
    why: 'Tools that run in a browser can read the set only from where it allows them.',
    source: 'Fetch Standard, CORS protocol',
  },
  json: {
    title: 'key set',
    why: 'One document that all readers read alike: an object with "keys".',
    source: 'RFC 7517 §5 · RFC 8259 §4',
  },
  secret: {
    title: 'private keys',
    why: 'Whoever has read it can sign as the company.',
    source: 'RFC 7518 §6.2.2, §6.3.2',
  },
  keys: {
    title: 'keys',
    why: 'A reader may drop one bad key in silence, or the whole set with it.',
    source: 'RFC 7518 §3, §6 · SMART App Launch 2.2 · Epic, OAuth 2.0',
  },
  ehr: {
    title: 'EHRs',
    why: 'Vendors take different algorithms.',
    source: 'The vendors’ own documents and guides: keys-pipeline/doctor/vendors.ts',
  },
  repository: {
    title: 'repository',
    why: 'What the world sees must be what was committed, reviewed and built.',
    source: 'Lockstep: the live set and the key files never disagree',
  },
  private_key: {
    title: 'private key',
    why: 'A signature by a key that is not published is an invalid_client.',
    source: 'RFC 7638 · RFC 7523 §3',
  },
  github: {
    title: 'GitHub',
    why: 'Whoever can merge a key can sign as the company; a changed domain moves the URL.',
    source: 'GitHub Docs: GitHub Pages, rulesets, code owners',
  },
} as const

export type CheckName = keyof typeof CHECKS
