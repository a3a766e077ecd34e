import type { SigningKey } from './signing-keys.ts'

/** What is wrong with keys that stand beside each other: one key twice, or two under one kid. Pure. */
export function twinFaults(
  keys: readonly Pick<SigningKey, 'kid' | 'thumbprint' | 'file'>[],
): string[] {
  return keys.flatMap((key, at) => {
    const before = keys.slice(0, at)
    const same = before.find(({ thumbprint }) => thumbprint === key.thumbprint)
    if (same) return [`${same.file} and ${key.file} are the same key: remove one`]
    const named = before.find(({ kid }) => kid === key.kid)
    return named ? [`${named.file} and ${key.file} have the same kid, ${key.kid}`] : []
  })
}
