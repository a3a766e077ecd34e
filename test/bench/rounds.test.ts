import { expect, test } from 'vitest'
import { inTurn } from './rounds.ts'
import type { Server } from './servers.ts'
import type { Round } from './wrk.ts'

const server = (name: string): Server => ({
  ...{ name, origin: '', pid: 0, startedIn: 0 },
  ...{ cpu: () => 0, memory: () => 0, output: () => '', stop: async () => {} },
})
const [BARE, OURS] = [server('bare'), server('ours')]

/** Servers whose rounds are as they are listed, and what was said of them. */
async function turns(rounds: number, listed: Record<string, Partial<Round>[]>) {
  const said: string[] = []
  const taken = new Map<string, number>()
  const measure = async ({ name }: Server): Promise<Round> => {
    const nth = taken.get(name) ?? 0
    taken.set(name, nth + 1)
    return { rate: 100, p50: 1, p99: 2, bad: 0, busy: 1, ...listed[name]?.at(nth) }
  }
  const tell = (line: string): void => void said.push(line)
  const figures = await inTurn([BARE, OURS], { rounds, busy: 0.95, measure, tell })
  return { figures, said, taken: taken.get('ours') }
}

test('the median of the turns counts, with the least and the most', async () => {
  const { figures } = await turns(3, { ours: [{ rate: 50 }, { rate: 90 }, { rate: 60 }] })
  expect(figures.get('ours')).toMatchObject({ rate: 60, rateSpread: [50, 90] })
})

test('a turn in which a server had not its core for itself is measured again, and that is said', async () => {
  const { figures, said, taken } = await turns(2, {
    ours: [{ rate: 10, busy: 0.6 }, { rate: 50 }, { rate: 50 }],
  })
  expect(figures.get('ours')).toMatchObject({ rateSpread: [50, 50] })
  expect([taken, said.some(line => line.includes('does not count: ours'))]).toEqual([3, true])
})

test('a turn in which the bare figure is far off is measured again, and that is said', async () => {
  const { figures, taken, said } = await turns(3, {
    bare: [{}, { rate: 60 }, {}, {}],
    ours: [{ rate: 50 }, { rate: 20 }, { rate: 50 }, { rate: 50 }],
  })
  expect(figures.get('ours')).toMatchObject({ rateSpread: [50, 50] })
  expect([taken, said.some(line => line.includes('measured again'))]).toEqual([4, true])
})

test('a request that fails is no figure', async () => {
  await expect(turns(1, { ours: [{ bad: 1 }] })).rejects.toThrowError(/1 requests failed/)
})

test('on a machine without a core to spare there is no figure', async () => {
  const idle = Array.from({ length: 9 }, () => ({ busy: 0.2 }))
  await expect(turns(2, { ours: idle })).rejects.toThrowError(/no core/)
})
