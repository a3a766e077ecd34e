import type { KeyChange } from '../../keys-pipeline/github/key-changes.ts'
import type { PublicJwk } from '../../keys-pipeline/jwk.ts'
import type { Environment } from '../../keys-pipeline/key-set.ts'
import { type Lifecycle, type Retirement, timestamp } from '../../keys-pipeline/lifecycle.ts'
import type { KeyFacts } from './key-facts.ts'
import type { Withdrawal } from './state.ts'

/** A key that is to be published, with the proof that its private half is here. */
export interface Addition {
  key: KeyFacts
  jwk: PublicJwk
  proof: string
}

/** The key as a file of the publisher's, and its entry. */
export const additionOf = (
  environment: Environment,
  { key: { thumbprint, kid, created, role }, jwk, proof }: Addition,
): KeyChange => ({
  environment,
  files: [{ name: `${thumbprint}.jwk.json`, bytes: Buffer.from(textOf(jwk)) }],
  lifecycle: { [thumbprint]: { kid, created: timestamp(created), role, proof } },
})

const textOf = (jwk: PublicJwk): string => `${JSON.stringify(jwk, null, 2)}\n`

/** The entry of a key that goes; its file goes with it, whatever its name is. */
export const removalOf = (
  environment: Environment,
  { thumbprint, kid, created, role }: KeyFacts,
  withdrawal: Withdrawal,
): KeyChange => ({
  ...{ environment, files: [] },
  lifecycle: {
    [thumbprint]: { kid, created: timestamp(created), role, retired: retirementOf(withdrawal) },
  },
})

const retirementOf = ({ at, reason, release }: Withdrawal): Retirement => ({
  ...{ at: timestamp(at), reason },
  ...(release === null ? { emergency: true as const } : { release }),
})

/** What the lifecycle file would be asked to keep of it, to be judged before anybody relies on it. */
export const lifecycleFor = (key: KeyFacts, withdrawal: Withdrawal): Lifecycle =>
  removalOf('production', key, withdrawal).lifecycle

/** The commands by which a person does the same in a checkout of the publisher's repository. */
export const addByHand = (
  environment: Environment,
  { key: { thumbprint, role }, jwk, proof }: Addition,
): string[] => [
  `printf '%s\\n' ${quoted(JSON.stringify(jwk))} > ${thumbprint}.jwk.json`,
  `npm run -s keys -- add ${thumbprint}.jwk.json --environment ${environment} --role ${role} --proof ${proof}`,
  `rm ${thumbprint}.jwk.json`,
]

export const removeByHand = (
  environment: Environment,
  { kid }: KeyFacts,
  { reason, release }: Withdrawal,
): string[] => {
  const because = release === null ? '--emergency' : `--release ${release}`
  return [
    `npm run -s keys -- retire --environment ${environment} --reason ${quoted(reason)} ${because} ${argument(kid)}`,
  ]
}

/** No option, whatever it begins with. */
const argument = (text: string): string => `${text.startsWith('-') ? '-- ' : ''}${quoted(text)}`

/** As a POSIX shell reads it. */
const quoted = (text: string): string =>
  /^[A-Za-z0-9._-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
