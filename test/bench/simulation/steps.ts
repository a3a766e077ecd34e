import type { Broker } from './broker.ts'
import type { Counts } from './counts.ts'
import { type Fleet, type FleetSettings, openFleet } from './fleet.ts'

/** What happens to a fleet, one step after the other. */
export const STEPS = [
  'steady',
  'deployment',
  'zone out',
  'zone back',
  'redis out',
  'redis back',
] as const

export type Step = (typeof STEPS)[number]

export interface Outcome {
  step: Step
  seconds: number
  counts: Counts
}

/** Seconds between two processes that a deployment replaces. */
const APART = 10
const ZONE = 0
/** Milliseconds that the first process has for the first token of each key. */
const HEAD_START = 1_000

/**
 * A fleet whose tokens are of all ages, and what it goes through. `period`: seconds between two calls for one key. Each
 * step has at least one of them.
 */
export async function runSteps(
  settings: FleetSettings,
  period: number,
  onStep: (outcome: Outcome) => void = () => {},
): Promise<Outcome[]> {
  const fleet = openFleet(settings)
  const begins = fleet.keys.map((_, nth) => ((nth * 0.618) % 1) * period * 1000)
  for (let nth = 0; nth < settings.processes; nth++)
    fleet.open(nth % settings.zones, key => (begins[key.nth] ?? 0) + (nth === 0 ? 0 : HEAD_START))
  await fleet.pass(period * 1.1)
  const outcomes: Outcome[] = []
  for (const step of STEPS) {
    const seconds = step === 'deployment' ? Math.max(period, APART * settings.processes) : period
    const outcome = {
      step,
      seconds,
      counts: await fleet.pass(seconds, async () => EVENTS[step](fleet)),
    }
    outcomes.push(outcome)
    onStep(outcome)
  }
  return outcomes
}

const EVENTS: Record<Step, (fleet: Fleet) => void> = {
  steady: () => {},
  deployment: fleet => {
    const { time } = fleet
    for (const [nth, old] of fleet.brokers().entries())
      time.at(time.now() + nth * APART * 1000, () => {
        fleet.open(old.zone)
        fleet.stop(old)
      })
  },
  'zone out': fleet => {
    for (const broker of inZone(fleet)) {
      broker.kill()
      fleet.stop(broker)
    }
  },
  'zone back': fleet => {
    const zones = Map.groupBy(fleet.brokers(), ({ zone }) => zone)
    const [sound = []] = zones.values()
    for (let nth = 0; nth < sound.length; nth++) fleet.open(ZONE)
  },
  'redis out': ({ store }) => store.goAway(),
  'redis back': ({ store }) => store.comeBack(),
}

const inZone = (fleet: Fleet): Broker[] => fleet.brokers().filter(({ zone }) => zone === ZONE)

/** All processes at once, cold, with an empty store, and everybody asks. */
export async function startAllAtOnce(settings: FleetSettings, seconds: number): Promise<Counts> {
  const fleet = openFleet(settings)
  return fleet.pass(seconds, async () => {
    for (let nth = 0; nth < settings.processes; nth++) fleet.open(nth % settings.zones)
  })
}
