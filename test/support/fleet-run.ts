import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Config, readConfig } from '../../broker/config.ts'
import type { Rooms } from '../../broker/issue-token.ts'
import { chanceFrom } from './chance.ts'
import { movedClock } from './clock.ts'
import { type FleetPlan, type Generation, openFleet } from './fleet.ts'
import { anyAsk, complaintOf, type FleetAsk } from './fleet-asks.ts'
import { folderWith } from './keys.ts'
import { secondPolicy } from './second-policy.ts'
import { openStory, outcomeOf } from './story.ts'
import { tellingEhr } from './telling-ehr.ts'

/** A generation as it is written, and as the broker has read it. */
export interface Taken {
  raw: Generation
  config: Config
}

/** So many generations of a fleet, by way of the file. */
export function generationsOf(plan: FleetPlan, count: number): Taken[] {
  const path = join(folderWith({}), 'broker.yaml')
  const fleet = openFleet(plan)
  return Array.from({ length: count }, () => {
    const raw = fleet.next()
    writeFileSync(path, JSON.stringify(raw.file))
    return { raw, config: readConfig(path) }
  })
}

/** Rooms of which one misbehaves. */
export type Mutant = (rooms: Rooms) => Partial<Rooms>

export interface Run {
  handouts: number
  /** Outcomes by code. */
  outcomes: Map<string, number>
  /** The first few of what is wrong by the second opinion. */
  complaints: { complaint: string; ask: FleetAsk; generation: number }[]
  /** Tokens that the EHR issued. */
  issued: number
  /** Hand-outs whose record says otherwise than the outcome. */
  misrecorded: number
}

/** Asks that are told at once. The config changes in the middle of some. */
const AT_ONCE = 50
/** Complaints after which a run has shown enough. */
const ENOUGH = 5

/** Random hand-outs, a generation after another, each judged by the config under which it was asked. */
export async function runFleet(
  seed: number,
  generations: readonly Taken[],
  handouts: number,
  mutant: Mutant = () => ({}),
): Promise<Run> {
  const [chance, clock, ehr] = [chanceFrom(seed + 1), movedClock(), tellingEhr(seed)]
  const { rooms, take, decisions } = openStory(ehr, clock.clock)
  const all = { ...rooms, ...mutant(rooms) }
  const run: Run = { handouts: 0, outcomes: new Map(), complaints: [], issued: 0, misrecorded: 0 }
  const each = handouts / generations.length
  const tell = async ({ raw }: Taken, opinion: Opinion, generation: number): Promise<void> => {
    const ask = anyAsk(raw, chance)
    const id = `${run.handouts++}`
    const outcome = await outcomeOf(id, ask, all)
    const name = 'code' in outcome ? outcome.code : 'granted'
    run.outcomes.set(name, (run.outcomes.get(name) ?? 0) + 1)
    const complaint = complaintOf(opinion(ask), ask, outcome, ehr)
    if (complaint !== null) run.complaints.push({ complaint, ask, generation })
    if ((decisions.get(id) === 'granted') !== (name === 'granted')) run.misrecorded++
    decisions.delete(id)
  }
  let before: Promise<void>[] = []
  for (const [generation, taken] of generations.entries()) {
    take(taken.config)
    const opinion = secondPolicy(taken.raw.file)
    while (run.handouts < each * (generation + 1) && run.complaints.length < ENOUGH) {
      const now = Array.from({ length: AT_ONCE }, () => tell(taken, opinion, generation))
      const isLast = run.handouts >= each * (generation + 1)
      // What is under way when a generation ends has not ended itself.
      await Promise.all(isLast ? before : [...before, ...now])
      before = isLast ? now : []
      clock.advance(chance.below(6))
    }
  }
  await Promise.all(before)
  return { ...run, issued: ehr.issued() }
}

type Opinion = ReturnType<typeof secondPolicy>
