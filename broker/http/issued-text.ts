import type { Obtained } from '../tokens/obtain.ts'

/** A token response as text, of which only `expires_in` is ever new. */
export type IssuedText = (obtained: Obtained) => string

/** The text on either side of it is made once for each token, and kept as long as that is. */
export function openIssuedText(): IssuedText {
  const sides = new WeakMap<Obtained['token'], { before: string; after: string }>()
  return ({ token, expiresIn }) => {
    let found = sides.get(token)
    if (found === undefined) {
      found = sidesOf(token)
      sides.set(token, found)
    }
    return `${found.before}${expiresIn()}${found.after}`
  }
}

const sidesOf = ({ accessToken, scope }: Obtained['token']) => ({
  before: `{"access_token":${JSON.stringify(accessToken)},"token_type":"Bearer","expires_in":`,
  after: `,"scope":${JSON.stringify(scope)}}`,
})
