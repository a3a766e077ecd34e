import { describe, expect, test } from 'vitest'
import { dueLines, openRotations, type Plan, planSteps } from '../../../broker/keys/plan.ts'
import type { Situation } from '../../../broker/keys/rotation.ts'
import type { Rotation } from '../../../broker/keys/state.ts'
import { accepted, HOUR, key, NOW, planOf, seen, situation } from './situation.ts'

const OLD = key('old', 900)
const NEW = key('new', 50)
const rotation = (made: string | null, parts: Partial<Rotation> = {}): Rotation => ({
  ...{ id: '1', alg: 'RS384', role: 'signer', because: 'command', asked: NOW - 60 * HOUR },
  ...{ made, proposal: null },
  ...parts,
})

function steps(parts: Partial<Situation>, plan: Partial<Plan> = {}): string[] {
  const all = situation({ keys: [OLD, NEW], ...parts })
  return planSteps(planOf(all, plan)).map(step => {
    if (step.do === 'make') return 'make'
    if (step.do === 'ask') return `ask ${step.upstream} by ${step.key.thumbprint}`
    const emergency = step.do === 'withdraw' && step.emergency ? ' at once' : ''
    return `${step.do} ${step.key.thumbprint}${emergency}`
  })
}

const of = (record: ReturnType<typeof accepted>) => new Map([['h', record]])

/** It was live, and the last round found a set without it. */
const GONE = { liveSince: null, lastPresent: 1, lastAbsent: NOW }
const withoutOld: Situation['watched'] = {
  ...seen({ new: 90 }),
  sightings: { ...seen({ new: 90 }).sightings, old: GONE },
}

describe('what is to be done', () => {
  test.each<[string, string[], Partial<Situation>, Partial<Plan>?]>([
    [
      'a key is made for a rotation',
      ['make'],
      { watched: seen({ old: 100 }) },
      { rotations: [rotation(null)] },
    ],
    [
      'what was made is proposed',
      ['propose new'],
      { watched: seen({ old: 100 }) },
      { rotations: [rotation('new')] },
    ],
    [
      'not before every replica can use it',
      [],
      { watched: seen({ old: 100 }) },
      { rotations: [rotation('new')], isEverywhere: () => false },
    ],
    [
      'nor once it is live',
      [],
      { watched: seen({ old: 100, new: 0.1 }) },
      { rotations: [rotation('new')] },
    ],
    [
      'who has not accepted the newer key is asked',
      ['ask h by new'],
      { watched: seen({ old: 100, new: 9 }), records: of(accepted({ old: 1 })) },
    ],
    ['who never accepted any is not', ['withdraw old'], { watched: seen({ old: 100, new: 9 }) }],
    [
      'a key that everybody left is withdrawn',
      ['withdraw old'],
      { watched: seen({ old: 100, new: 9 }), records: of(accepted({ new: 1, old: 9 })) },
    ],
    [
      'and put away when it is gone',
      ['archive old'],
      { watched: withoutOld, records: of(accepted({ new: 1, old: 9 })) },
    ],
    [
      'not while what signs in its place is a guess: an old copy of the set may be what has it not',
      [],
      {
        watched: { ...withoutOld, sightings: { old: GONE } },
        records: of(
          accepted(
            { older: 9 },
            { inUse: 'old', fallback: { from: 'old', until: NOW + HOUR, delay: HOUR } },
          ),
        ),
      },
    ],
    [
      'what is needed again is kept',
      ['keep old', 'withdraw new at once'],
      {
        keys: [OLD, { ...NEW, revokedAt: NOW }],
        watched: seen({ old: 100, new: 9 }),
        records: of(accepted({ new: 1, old: 9 })),
      },
      { withdrawing: ['old'] },
    ],
    [
      'a standby is never withdrawn',
      [],
      {
        keys: [{ ...OLD, role: 'standby' }, NEW],
        watched: seen({ old: 100, new: 9 }),
        records: of(accepted({ new: 1 })),
      },
    ],
    [
      'a revoked key is withdrawn at once',
      ['withdraw new at once'],
      {
        keys: [OLD, { ...NEW, revokedAt: NOW }],
        watched: seen({ old: 100, new: 9 }),
        records: of(accepted({ new: 1, old: 9 })),
      },
    ],
    [
      'but never the last of the set',
      [],
      { keys: [{ ...OLD, revokedAt: NOW }], watched: seen({ old: 100 }) },
    ],
  ])('%s', (_, expected, parts, plan) => {
    expect(steps(parts, plan)).toEqual(expected)
  })
})

describe('a rotation is open', () => {
  test.each<[string, Rotation, Partial<Situation>, boolean]>([
    ['while its key is not made', rotation(null), { watched: seen({ old: 9 }) }, true],
    ['while its key was never live', rotation('new'), { watched: seen({ old: 9 }) }, true],
    ['while an older key is live', rotation('new'), { watched: seen({ old: 9, new: 9 }) }, true],
    ['no longer when it is gone', rotation('new'), { watched: seen({ new: 9 }) }, false],
    [
      'nor when its key is revoked',
      rotation('new'),
      { keys: [OLD, { ...NEW, revokedAt: NOW }] },
      false,
    ],
    [
      'for a standby, until it is live',
      rotation('new', { role: 'standby' }),
      { watched: seen({ old: 9, new: 9 }) },
      false,
    ],
  ])('%s', (_, each, parts, isOpen) => {
    const all = situation({ keys: [OLD, NEW], ...parts })
    expect(openRotations([each], all)).toEqual(isOpen ? [each] : [])
  })
})

describe('a line is due', () => {
  const due = (keys: Situation['keys'], rotations: Rotation[] = []) =>
    dueLines({ keys, now: NOW }, rotations, 30)
  test.each<[string, Situation['keys'], Rotation[], string[]]>([
    ['when its newest signer is so many days old', [OLD], [], ['RS384']],
    ['not before', [OLD, NEW], [], []],
    ['though a standby is newer', [OLD, { ...NEW, role: 'standby' }], [], ['RS384']],
    ['not while a rotation is under way', [OLD], [rotation(null)], []],
    ['each by itself', [OLD, key('ec', 800, { alg: 'ES384' }), NEW], [], ['ES384']],
  ])('%s', (_, keys, rotations, algs) => {
    expect(due(keys, rotations)).toEqual(algs)
  })
})
