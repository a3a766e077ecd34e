import { expect, test } from 'vitest'
import { changeTable } from '../../keys-pipeline/change-table.ts'
import type { PublicKey } from '../../keys-pipeline/jwk.ts'
import type { Lifecycle } from '../../keys-pipeline/lifecycle.ts'
import { ecJwk, published, SET_URL } from '../support/keys.ts'

const key = (which: number, kid: string) => published({ ...ecJwk('P-256', which), kid })
const table = (live: PublicKey[] | null, keys: PublicKey[], lifecycle: Lifecycle = {}): string =>
  changeTable({
    ...{ environment: 'nonprod', place: '', liveElsewhere: [], liveSince: () => null, now: 0 },
    guard: { live: 0, retired: 0 },
    live: live && { url: SET_URL, keys: live },
    next: { url: SET_URL, keys, lifecycle, movedFrom: null },
  })
const rowOf = (kid: string, text: string) =>
  text.split('\n').find(line => line.includes(`\`${kid}\``))

test('each key is in one row: what comes, what stays, what goes and why', () => {
  const [stays, comes, goes] = [key(0, 'stays'), key(1, 'comes'), key(2, 'goes')]
  const [at, reason] = ['2026-11-25T00:00:00Z', 'stolen']
  const lifecycle: Lifecycle = {
    [goes.thumbprint]: {
      kid: 'goes',
      created: at,
      role: 'signer',
      retired: { at, reason, emergency: true },
    },
  }
  const text = table([stays, goes], [stays, comes], lifecycle)
  expect(rowOf('stays', text)).toMatch(/yes \| yes \| stays/)
  expect(rowOf('comes', text)).toMatch(/– \| yes \| \*\*comes\*\*/)
  expect(rowOf('goes', text)).toMatch(/yes \| – \| \*\*goes\*\* \(emergency: `stolen`\)/)
})

test('a first publication is said', () => {
  expect(table(null, [key(0, 'a')])).toContain('First publication')
  expect(table([key(0, 'a')], [key(0, 'a')])).not.toContain('First publication')
  expect(table(null, [])).toContain('No key yet')
})

test('a hostile kid ends neither its cell nor its line', () => {
  const text = table(null, [key(0, '`|</td><script> [x](y)')])
  const [row = ''] = text.split('\n').filter(line => line.includes('script'))
  expect(row.replaceAll('\\|', '').split('|')).toHaveLength(9)
  expect(row.split('`')).toHaveLength(5)
})
