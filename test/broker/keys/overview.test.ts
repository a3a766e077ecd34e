import { expect, test } from 'vitest'
import { overviewOf } from '../../../broker/keys/overview.ts'
import { githubForEach } from '../../support/github-server.ts'
import { FIRST, settledRoom } from '../../support/rotation-room.ts'

const server = githubForEach()

test('each key has its state, each rotation its pull request, and each step what it waits for', async () => {
  const room = settledRoom({ github: server() })
  await room.orders.rotate('nonprod', null)
  await room.tick(2)
  Object.assign(server().pulls[0] ?? {}, { state: 'closed' })
  room.clock.advance(601)
  await room.tick(1)
  const [nonprod] = overviewOf(new Map([['nonprod', room.keys]]), {
    ...room.controller,
    ...{ says: code => `says ${code}`, every: null },
  })
  const next = nonprod?.rotations[0]?.kid
  expect(nonprod).toMatchObject({
    environment: 'nonprod',
    keys: [
      { kid: next, state: 'proposed', waitsFor: [{ what: 'publication', until: null }] },
      { kid: FIRST, state: 'signing', signsFor: 2 },
    ],
    rotations: [{ alg: 'ES256', because: 'command', proposal: 1 }],
    steps: [
      {
        ...{ do: 'propose', about: next },
        waitsFor: { code: 'proposal_declined', says: 'says proposal_declined' },
      },
    ],
  })
  expect(JSON.stringify(nonprod)).not.toContain('"d":')
})
