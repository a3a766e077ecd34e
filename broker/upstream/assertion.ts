import type { Upstream } from './upstream.ts'

/** Signs with one private key and never shows it. */
export interface Signer {
  /** As the EHR knows the key. */
  kid: string
  alg: string
  /** RFC 7638. */
  thumbprint: string
  /** A compact JWS over these claims. Refused: an `alg` that the key cannot have. */
  signJwt: (
    header: { typ: string; kid: string; alg: string },
    claims: Readonly<Record<string, string | number>>,
  ) => Promise<string>
}

/** Seconds. Epic allows no leeway: 60 s for a clock of ours that is fast, 240 s for one that is slow, 300 s in all. */
export const GOOD_FOR = { backdated: 60, life: 240 } as const

/**
 * A client assertion for one attempt: never sent twice, since an EHR refuses a `jti` it has seen.
 *
 * `aud` is the very URL that is posted to, unless the config makes an exception with a reason.
 *
 * @see RFC 7523 §3 · SMART App Launch 2.2 "Asymmetric authentication" · Epic "OAuth 2.0", JWT claims
 */
export async function makeAssertion(
  upstream: Upstream,
  signer: Signer,
  now: number,
  jti: string,
): Promise<string> {
  const seconds = Math.floor(now / 1000)
  return signer.signJwt(
    { typ: upstream.profile.typ, kid: signer.kid, alg: signer.alg },
    {
      iss: upstream.clientId,
      sub: upstream.clientId,
      aud: upstream.assertionAudience?.value ?? upstream.tokenEndpoint,
      jti,
      iat: seconds - GOOD_FOR.backdated,
      nbf: seconds - GOOD_FOR.backdated,
      exp: seconds + GOOD_FOR.life,
    },
  )
}
