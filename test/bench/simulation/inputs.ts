import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PROJECT } from '../../support/processes.ts'
import type { Inputs } from './paper.ts'

/** The lives that the manual reckons with, in seconds. */
export const LIVES = [3600, 300] as const

/** By the words with which a row of the manual's table begins. */
const ROWS: Record<keyof Inputs, string> = {
  rate: 'hand-outs a second',
  processRate: 'hand-outs a second of one process',
  fullest: 'of that, used at most',
  zones: 'zones',
  hospitals: 'hospitals',
  scopeSets: 'sets of scopes per hospital',
  ehr: 'an EHR answers in',
  token: 'access token',
  request: 'request',
  reply: 'reply',
  record: 'audit record',
  idle: 'memory of a process without tokens',
  held: 'memory for a token, beyond its own bytes',
  trip: 'redis, for a round trip',
}

const UNITS: Record<string, number> = {
  '': 1,
  '%': 0.01,
  s: 1,
  ms: 1e-3,
  µs: 1e-6,
  bytes: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
}

export const manual = (): string => readFileSync(join(PROJECT, 'broker/README.md'), 'utf8')

/** The inputs of the model, from the one table that has them: in the operator's manual, under Sizing. */
export function inputsIn(text: string): Inputs {
  const cells = new Map(
    [...text.matchAll(/^\| ([^|]+) \| ([^|]+) \|/gm)].map(([, name = '', value = '']) => [
      name,
      value,
    ]),
  )
  const read = (name: string): number => {
    const [, digits, unit = ''] = /^([\d.,]+) ?(\S*)$/.exec(cells.get(name)?.trim() ?? '') ?? []
    const size = UNITS[unit]
    if (digits === undefined || size === undefined)
      throw new Error(`broker/README.md, Sizing: no value for ${name}`)
    return Number(digits.replaceAll(',', '')) * size
  }
  return Object.fromEntries(
    Object.entries(ROWS).map(([key, name]) => [key, read(name)]),
  ) as unknown as Inputs
}
