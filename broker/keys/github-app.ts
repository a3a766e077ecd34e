import { createPrivateKey } from 'node:crypto'
import { SignJWT } from 'jose'
import { type Clock, remaining, type Span } from '../clock.ts'

/** An app of GitHub's, as far as it may write into one installation's repositories. */
export interface GitHubApp {
  id: number
  installationId: number
}

interface Ports {
  clock: Clock
  /** PEM; read anew for each token. */
  privateKey: () => string
  /** GitHub's answer to a JWT of the app. */
  exchange: (jwt: string) => Promise<{ token: string; expiresAt: string }>
}

/** Seconds. GitHub takes ten minutes at the most, by its own clock. */
const JWT = { backdated: 60, life: 540 }
/** Milliseconds before its end in which a token is not used any more: a proposal takes a while. */
const SPARE = 5 * 60_000

/**
 * Tokens of an installation, an hour each, got when they are needed. Refused: what `exchange` refuses.
 *
 * @see GitHub, "Generating a JSON Web Token (JWT) for a GitHub App", "Authenticating as a GitHub App installation"
 */
export function appTokens({ id }: Pick<GitHubApp, 'id'>, ports: Ports): () => Promise<string> {
  const { clock, privateKey, exchange } = ports
  let held: { token: string; good: Span } | null = null
  return async () => {
    if (held && remaining(held.good.since, held.good.for, clock()) > 0) return held.token
    const since = clock()
    const seconds = Math.floor(since.wall / 1000)
    const jwt = await new SignJWT({ iss: `${id}` })
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT' })
      .setIssuedAt(seconds - JWT.backdated)
      .setExpirationTime(seconds + JWT.life)
      .sign(createPrivateKey(privateKey()))
    const { token, expiresAt } = await exchange(jwt)
    held = { token, good: { since, for: Date.parse(expiresAt) - since.wall - SPARE } }
    return token
  }
}
