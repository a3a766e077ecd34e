import { generateKeyPairSync } from 'node:crypto'
import { refuseAny } from './errors.ts'
import { type PublicKey, toPublicKey } from './jwk.ts'
import type { Judgement } from './pipeline.ts'
import { render, type Site, type Templates } from './render.ts'
import type { Settings } from './settings.ts'

/** The site as `serve --dev` shows it: built in memory, with the throw-away key where nonprod has none. */
export function devSite(
  { environments, findings }: Judgement,
  settings: Settings,
  templates: Templates,
  throwAwayKey: () => PublicKey,
): Site {
  refuseAny(findings.filter(each => each.code !== 'set_empty'))
  const { production, nonprod } = environments
  const keys = nonprod.keys.length > 0 ? nonprod.keys : [throwAwayKey()]
  return render({ production, nonprod: { ...nonprod, keys } }, settings, templates, null)
}

/** A throw-away key for `serve --dev`; its private half is gone when this returns. `build` refuses its kid. */
export function devKey(): PublicKey {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const { key } = toPublicKey(publicKey.export({ format: 'jwk' }), '(in memory)')
  if (key === null) throw new Error('a key without findings is a key')
  return { ...key, jwk: { ...key.jwk, kid: `dev-${key.thumbprint.slice(0, 12)}` } }
}
