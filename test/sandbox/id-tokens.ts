import { createHash } from 'node:crypto'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'

/** Seconds. */
const LIFE = 300

/** The keys with which the local Epic says who signed in. They are its own, and no app's. */
export class IdTokens {
  readonly #keys: { jwk: JWK; privateKey: CryptoKey }[] = []
  #first: Promise<void> | undefined
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  /** A new key signs from now on; the old ones stay published. */
  async rotate(): Promise<void> {
    const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true })
    const { kty, n, e } = await exportJWK(publicKey)
    const jwk = { kty, n, e, kid: kidOf(`${n}`), use: 'sig', alg: 'RS256' } as JWK
    this.#keys.unshift({ jwk, privateKey })
  }

  async keySet(): Promise<{ keys: JWK[] }> {
    await this.#newest()
    return { keys: this.#keys.map(({ jwk }) => jwk) }
  }

  async sign(claims: Readonly<Record<string, unknown>>): Promise<string> {
    const key = await this.#newest()
    const iat = Math.floor(this.#now() / 1000)
    return new SignJWT({ ...claims, iat, exp: iat + LIFE })
      .setProtectedHeader({ alg: 'RS256', kid: `${key.jwk.kid}`, typ: 'JWT' })
      .sign(key.privateKey)
  }

  /** The first key is made when it is asked for: most tests ask for none. */
  async #newest(): Promise<{ jwk: JWK; privateKey: CryptoKey }> {
    this.#first ??= this.#keys.length === 0 ? this.rotate() : Promise.resolve()
    await this.#first
    return this.#keys[0] as { jwk: JWK; privateKey: CryptoKey }
  }
}

/** Base64 of a SHA-256, with every character in it that a URL or a file name would trip over. */
function kidOf(seed: string): string {
  for (let round = 0; ; round++) {
    const kid = createHash('sha256').update(`${round} ${seed}`).digest('base64')
    if (kid.includes('+') && kid.includes('/')) return kid
  }
}
