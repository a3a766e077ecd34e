import type { Environment } from '../../keys-pipeline/key-set.ts'
import { type Clock, type Instant, remaining } from '../clock.ts'
import { asBrokerError } from '../errors.ts'
import type { Log } from './alarms.ts'
import { carryOut, type StepPorts } from './carry-out.ts'
import type { EnvironmentKeys } from './environment.ts'
import { type Notes, openNotes, type Pace } from './notes.ts'
import { planSteps, type Step } from './plan.ts'
import { counts, type Work } from './replicas.ts'
import { nextRotations, type RotationRules } from './wishes.ts'
import { planFor } from './withdraw.ts'

interface Ports extends StepPorts {
  clock: Clock
  log: Log
  environments: () => ReadonlyMap<Environment, EnvironmentKeys>
  rules: () => RotationRules
}

export interface Controller {
  /** One step of each environment, and a few questions to EHRs. To be called every few seconds. */
  tick: () => Promise<void>
  /** Whatever waits is tried at the next tick. */
  hurry: (environment: Environment) => void
  noteOf: (environment: Environment, step: Step) => ReturnType<Notes['of']>
  /** What is to be done for an environment now. */
  steps: (environment: Environment) => Step[]
}

/** Milliseconds. */
const MINUTE = 60_000
const AGAIN: Pace = { first: MINUTE, most: 60 * MINUTE }
const ASK_AGAIN: Pace = { first: 5 * MINUTE, most: 6 * 60 * MINUTE }
/** EHRs asked in one tick: a fleet is gone through in minutes, and is no burst. */
const ASKED_AT_ONCE = 4

/**
 * Carries rotations on, one step at a time, each recorded before the next: after an end at any moment it goes on where
 * it was. What fails is tried again later and later; what only a person can do is said once, and waited for.
 */
export function openController(ports: Ports): Controller {
  const { clock, log, environments, rules } = ports
  const notes = new Map<Environment, Notes>()
  const notesOf = (environment: Environment): Notes => {
    const known = notes.get(environment) ?? openNotes(environment, clock, log)
    notes.set(environment, known)
    return known
  }
  /** A key that was made is not here at once: the folder is read anew within seconds. */
  const missing = new Map<string, Instant>()
  const isLostIn = (keys: EnvironmentKeys) => {
    for (const { thumbprint } of keys.situation().keys) missing.delete(thumbprint)
    // It was made by another broker, in a folder of its own.
    for (const each of keys.others())
      if (counts(each, clock().wall)) for (const name of each.usable) missing.delete(name)
    return (thumbprint: string): boolean => {
      const since = missing.get(thumbprint) ?? clock()
      missing.set(thumbprint, since)
      return remaining(since, MINUTE, clock()) <= 0
    }
  }
  const attempt = async (environment: Environment, keys: EnvironmentKeys, step: Step) => {
    const { wait, fail, rest } = notesOf(environment)
    const name = nameOf(step)
    try {
      const done = await carryOut(step, environment, keys, ports)
      if (done.waitsFor === null) rest(name, done.again)
      else wait(name, done.waitsFor, done.again)
    } catch (error) {
      const { code, facts, cause } = asBrokerError(error)
      const why = code === 'internal' && cause instanceof Error ? { error: cause.name } : {}
      fail(name, { code, facts: { ...facts, ...why } }, step.do === 'ask' ? ASK_AGAIN : AGAIN)
    }
  }
  /** Decided on what is under way at that moment, since other brokers take orders too. */
  const begin = (keys: EnvironmentKeys): Promise<boolean> => {
    const tools = { newId: ports.newId, isLost: isLostIn(keys) }
    const change = (work: Work) => {
      const { situation, state } = keys
      const now = { situation, state: () => ({ ...state(), rotations: work.rotations }) }
      return { rotations: nextRotations(now, rules(), tools) ?? work.rotations }
    }
    return keys.keep(change, 'holder').then(
      () => true,
      () => false,
    )
  }
  const work = async (environment: Environment, keys: EnvironmentKeys): Promise<void> => {
    if (!canRotate(keys)) return
    const rotations = nextRotations(keys, rules(), { newId: ports.newId, isLost: isLostIn(keys) })
    if (rotations !== null && keys.holds() && !(await begin(keys))) return
    const steps = stepsFor(keys)
    const { isDue, keepOnly } = notesOf(environment)
    keepOnly(new Set(steps.map(nameOf)))
    const due = steps.filter(step => isDue(nameOf(step)))
    const [next] = due.filter(step => step.do !== 'ask')
    if (next) await attempt(environment, keys, next)
    const asks = due.filter(step => step.do === 'ask').slice(0, ASKED_AT_ONCE)
    await Promise.all(asks.map(step => attempt(environment, keys, step)))
  }
  return {
    tick: async () => {
      await Promise.all([...environments()].map(([name, keys]) => work(name, keys)))
    },
    hurry: environment => notesOf(environment).hurry(),
    noteOf: (environment, step) => notesOf(environment).of(nameOf(step)),
    steps: environment => {
      const keys = environments().get(environment)
      return keys && canRotate(keys) ? stepsFor(keys) : []
    },
  }
}

/** Before the first look every key would seem to be new. */
const canRotate = (keys: EnvironmentKeys): boolean =>
  keys.state().url !== null && keys.situation().watched.lastTold !== null

function stepsFor(keys: EnvironmentKeys): Step[] {
  const planned = planSteps(planFor(keys)).filter(({ do: what }) => keys.holds() || isOwn(what))
  // Whether somebody else still signs with a key of his is for him to know.
  return planned.filter(
    step => step.do !== 'withdraw' || step.key.isHere || step.key.revokedAt !== null,
  )
}

/** What each broker does for itself: it switches by what EHRs have said to it, and has its own folder. */
const isOwn = (what: Step['do']): boolean => what === 'ask' || what === 'archive'

function nameOf(step: Step): string {
  if (step.do === 'make') return `make ${step.rotation.id}`
  if (step.do === 'ask') return `ask ${step.upstream} ${step.key.thumbprint}`
  return `${step.do} ${step.key.thumbprint}`
}
