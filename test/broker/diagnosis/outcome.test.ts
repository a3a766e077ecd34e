import { expect, test } from 'vitest'
import { failing, neighbours, siblings, working } from '../../../broker/diagnosis/outcome.ts'
import { another, factsOf } from '../../support/facts.ts'
import { upstream } from '../../support/upstream.ts'

const here = upstream().tokenEndpoint

test('siblings share the client ID, neighbours the token endpoint', () => {
  const facts = factsOf({
    others: [
      another({ id: 'sibling' }),
      another({ id: 'other environment', environment: 'production' }),
      another({ id: 'same place', tokenEndpoint: here }),
      another({ id: 'neighbour', tokenEndpoint: here, clientId: 'x' }),
      another({ id: 'stranger', clientId: 'x' }),
    ],
  })
  expect(siblings(facts).map(each => each.id)).toEqual(['sibling'])
  expect(neighbours(facts).map(each => each.id)).toEqual(['neighbour'])
})

test('who was never asked neither works nor fails', () => {
  const others = [another(), another({ works: false }), another({ works: null })]
  expect([working(others), failing(others)]).toEqual([1, 1])
})
