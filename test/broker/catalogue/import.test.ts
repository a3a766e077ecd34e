import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import {
  type ImportPorts,
  type ImportRequest,
  importBundle,
  type Plan,
} from '../../../broker/catalogue/import.ts'
import type { Outcome } from '../../../broker/catalogue/progress.ts'
import { bundleOf, type MadeUp, madeUp } from '../../support/hospitals.ts'
import { folderWith } from '../../support/keys.ts'

const ORIGIN = 'https://ehr.example.com'
const base = ({ path }: MadeUp): string => `${ORIGIN}${path}`
const tokenOf = (fhirBase: string): string => `${fhirBase}/token`
const hospitals = madeUp(12)
const [first, second, third] = hospitals as [MadeUp, MadeUp, MadeUp]

let root: string
let folder: string
/** The FHIR bases that were asked, and what some answer. */
let asked: string[]
let answers: Map<string, Outcome>
beforeEach(() => {
  root = folderWith({})
  folder = join(root, 'upstreams')
  asked = []
  answers = new Map()
})

const ports = (): ImportPorts => ({
  ask: async fhirBase => {
    asked.push(fhirBase)
    return answers.get(fhirBase) ?? { tokenEndpoint: tokenOf(fhirBase) }
  },
  asked: () => {},
  show: () => {},
})

const request = (listed: readonly MadeUp[], parts: Partial<ImportRequest> = {}): ImportRequest => {
  const bundle = join(root, 'bundle.json')
  writeFileSync(bundle, JSON.stringify(bundleOf(listed, ORIGIN)))
  return {
    ...{ bundle, folder, accepted: [], again: false, dryRun: false, removeGone: false },
    given: {
      clientId: 'our-app',
      environment: 'production',
      profile: 'epic',
      scopes: ['system/Patient.read'],
    },
    ...parts,
  }
}

async function imported(
  listed: readonly MadeUp[] = hospitals,
  parts: Partial<ImportRequest> = {},
): Promise<Plan> {
  asked = []
  const done = await importBundle(request(listed, parts), ports())
  if ('complaints' in done) throw new Error(JSON.stringify(done.complaints))
  return done.plan
}

const withClient = (clientId: string) => ({ given: { ...request([]).given, clientId } })
const kinds = ({ steps }: Plan) =>
  Object.entries(Object.groupBy(steps, each => each.kind)).map(
    ([kind, all]) => `${all?.length} ${kind}`,
  )
const stepOf = ({ steps }: Plan, hospital: MadeUp) =>
  steps.find(each => each.fhirBase === base(hospital))
const idOf = (plan: Plan, hospital: MadeUp): string => stepOf(plan, hospital)?.id ?? 'none'
const pathOf = (id: string): string => join(folder, `${id}.yaml`)
const textOf = (id: string): string => readFileSync(pathOf(id), 'utf8')
const settingsOf = (id: string) => parse(textOf(id))
const edit = (id: string, change: (text: string) => string): void =>
  writeFileSync(pathOf(id), change(textOf(id)))
const tree = (): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map(name => [name, readFileSync(join(folder, name), 'utf8')]),
  )

describe('the first import', () => {
  test('makes a file of each hospital, named after it', async () => {
    const plan = await imported()
    expect(kinds(plan)).toEqual(['12 added'])
    expect(readdirSync(folder)).toEqual([
      '.import.json',
      ...plan.steps.map(each => `${each.id}.yaml`).sort(),
    ])
    expect(idOf(plan, first)).toBe('saint-nowhere-hospital')
    expect(textOf(idOf(plan, first))).toContain(`# ${first.name}\n`)
    expect(settingsOf(idOf(plan, first))).toEqual({
      fhirBase: base(first),
      tokenEndpoint: tokenOf(base(first)),
      clientId: 'our-app',
      environment: 'production',
      profile: 'epic',
      scopes: ['system/Patient.read'],
    })
  })

  test('switches off what did not answer, with the cause', async () => {
    answers.set(base(second), { cause: 'no answer (upstream_timeout)' })
    const plan = await imported()
    expect(settingsOf(idOf(plan, second))).toMatchObject({
      enabled: false,
      reason: 'no answer (upstream_timeout)',
    })
    expect(settingsOf(idOf(plan, second))).not.toHaveProperty('tokenEndpoint')
    expect(stepOf(plan, second)).toMatchObject({ kind: 'added', isOff: true })
  })

  test('gives two of one name an id each, the same whatever the order of the list', async () => {
    const twins = madeUp(31).filter((_, at) => at % 30 === 0)
    const plan = await imported(twins)
    const ids = twins.map(each => idOf(plan, each))
    expect(ids).toEqual(['saint-nowhere-hospital', 'saint-nowhere-hospital-2'])
    rmSync(folder, { recursive: true })
    const other = await imported(twins.toReversed())
    expect(twins.map(each => idOf(other, each))).toEqual(ids)
  })

  test('takes a file that was made by hand for what it is, and leaves it', async () => {
    const text = `# by hand\nfhirBase: ${base(first)}/\ntokenEndpoint: https://own.example.com/token\nclientId: our-app\nenvironment: production\nprofile: epic\nscopes: [system/Patient.read]\n`
    const others = folderWith({
      'mine.yaml': text,
      'theirs.yaml': text.replace('our-app', 'another-app'),
    })
    const plan = await imported(hospitals, { folder: others })
    expect(stepOf(plan, first)).toMatchObject({ id: 'mine', kind: 'same' })
    expect(stepOf(plan, first)?.kept.map(each => each.field)).toEqual(['fhirBase', 'tokenEndpoint'])
    expect(readFileSync(join(others, 'mine.yaml'), 'utf8')).toBe(text)
    expect(readdirSync(others)).toContain('theirs.yaml')
  })

  test('never switches off what was made by hand and works', async () => {
    const text = `fhirBase: ${base(first)}\ntokenEndpoint: https://own.example.com/token\nclientId: our-app\nenvironment: production\nprofile: epic\nscopes: [system/Patient.read]\n`
    const others = folderWith({ 'mine.yaml': text })
    answers.set(base(first), { cause: 'no answer' })
    const plan = await imported([first], { folder: others })
    expect(stepOf(plan, first)).toMatchObject({ kind: 'same', isOff: false, cause: 'no answer' })
    expect(readFileSync(join(others, 'mine.yaml'), 'utf8')).toBe(text)
  })
})

test('four are asked at a time', async () => {
  let [running, most] = [0, 0]
  const ask = async (fhirBase: string) => {
    most = Math.max(most, ++running)
    for (let turns = 0; turns < 10; turns++) await turn()
    running--
    return { tokenEndpoint: tokenOf(fhirBase) }
  }
  await importBundle(request(hospitals), { ...ports(), ask })
  expect(most).toBe(4)
})

describe('the second import', () => {
  test('of the same list asks nobody and changes no byte', async () => {
    await imported()
    const before = tree()
    expect(kinds(await imported(hospitals.toReversed()))).toEqual(['12 same'])
    expect([asked, tree()]).toEqual([[], before])
  })

  test('asks those that did not answer, and switches on what answers now', async () => {
    answers.set(base(second), { cause: 'no answer' })
    const id = idOf(await imported(), second)
    answers.clear()
    expect(kinds(await imported())).toEqual(expect.arrayContaining(['1 changed', '11 same']))
    expect(asked).toEqual([base(second)])
    expect(settingsOf(id)).toMatchObject({ tokenEndpoint: tokenOf(base(second)) })
    expect(settingsOf(id)).not.toHaveProperty('enabled')
    expect(settingsOf(id)).not.toHaveProperty('reason')
  })

  test('says the new cause of what still does not answer', async () => {
    answers.set(base(second), { cause: 'no answer' })
    const id = idOf(await imported(), second)
    answers.set(base(second), { cause: 'a page' })
    await imported()
    expect(settingsOf(id)).toMatchObject({ enabled: false, reason: 'a page' })
  })

  test('keeps every change by hand, and changes the rest of the file', async () => {
    const plan = await imported()
    const id = idOf(plan, first)
    edit(
      id,
      text =>
        `${text.replace('clientId: our-app', 'clientId: their-own # they insist')}deadline: 40\n# ask for Dr. Nobody\n`,
    )
    const next = await imported(hospitals, {
      given: { ...request([]).given, clientId: 'new-app', scopes: ['system/Task.read'] },
    })
    expect(stepOf(next, first)?.kept.map(each => each.field)).toEqual(['clientId'])
    expect(settingsOf(id)).toMatchObject({
      clientId: 'their-own',
      scopes: ['system/Task.read'],
      deadline: 40,
    })
    expect(textOf(id)).toContain('# they insist')
    expect(textOf(id)).toContain('# ask for Dr. Nobody')
    expect(settingsOf(idOf(next, second))).toMatchObject({ clientId: 'new-app' })
    const third = await imported(hospitals, {
      given: { ...request([]).given, clientId: 'new-app', scopes: ['system/Task.read'] },
    })
    expect([kinds(third), stepOf(third, first)?.kept.length]).toEqual([['12 same'], 1])
  })

  test('leaves switched off what was switched off by hand', async () => {
    const id = idOf(await imported(), first)
    edit(id, text => `enabled: false\nreason: contract ended\n${text}`)
    const plan = await imported(hospitals, { again: true })
    expect(stepOf(plan, first)).toMatchObject({ kind: 'same', isOff: true })
    expect(settingsOf(id)).toMatchObject({ enabled: false, reason: 'contract ended' })
  })

  test('leaves on what was found by hand, though the list’s own way does not answer', async () => {
    answers.set(base(first), { cause: 'no answer' })
    const id = idOf(await imported(), first)
    edit(id, text =>
      text.replace(
        /enabled: false\nreason: .*\n/,
        'tokenEndpoint: https://own.example.com/token\n',
      ),
    )
    const before = textOf(id)
    const plan = await imported()
    expect([textOf(id), stepOf(plan, first)?.isOff]).toEqual([before, false])
  })

  test('knows a file that was renamed', async () => {
    const id = idOf(await imported(), first)
    writeFileSync(pathOf('renamed'), textOf(id))
    rmSync(pathOf(id))
    const plan = await imported()
    expect(stepOf(plan, first)).toMatchObject({ id: 'renamed', kind: 'same' })
    expect(existsSync(pathOf(id))).toBe(false)
    expect(kinds(await imported())).toEqual(['12 same'])
  })

  test('does not bring back what was removed by hand, and does not ask it', async () => {
    const id = idOf(await imported(), first)
    rmSync(pathOf(id))
    for (const again of [false, true]) {
      const plan = await imported(hospitals, { again })
      expect(stepOf(plan, first)).toMatchObject({ id, kind: 'removed' })
      expect(asked).not.toContain(base(first))
      expect(existsSync(pathOf(id))).toBe(false)
    }
  })

  test('gives the name of what was removed to nobody else', async () => {
    const [one, twin] = madeUp(31).filter((_, at) => at % 30 === 0) as [MadeUp, MadeUp]
    rmSync(pathOf(idOf(await imported([one]), one)))
    expect(idOf(await imported([one, twin]), twin)).toBe('saint-nowhere-hospital-2')
  })

  test('keeps the id of a hospital that has another name now', async () => {
    const id = idOf(await imported(), first)
    const plan = await imported([{ ...first, name: 'Renamed Hospital' }, ...hospitals.slice(1)])
    expect([idOf(plan, first), kinds(plan)]).toEqual([id, ['12 same']])
  })

  test('with another client ID asks everybody, and keeps what is known of those who do not answer', async () => {
    const id = idOf(await imported(), first)
    answers.set(base(first), { cause: 'no answer' })
    await imported(hospitals, withClient('new-app'))
    expect(asked).toHaveLength(12)
    expect(settingsOf(id)).toMatchObject({
      clientId: 'new-app',
      tokenEndpoint: tokenOf(base(first)),
    })
    await imported(hospitals, withClient('new-app'))
    expect(asked).toEqual([base(first)])
  })
})

describe('asked again', () => {
  test('a token endpoint that has moved is shown and written', async () => {
    const id = idOf(await imported(), first)
    answers.set(base(first), { tokenEndpoint: 'https://ehr.example.com/moved' })
    await imported()
    expect(settingsOf(id).tokenEndpoint).toBe(tokenOf(base(first)))
    const plan = await imported(hospitals, { again: true })
    expect(stepOf(plan, first)?.changes).toEqual([
      { field: 'tokenEndpoint', from: tokenOf(base(first)), to: 'https://ehr.example.com/moved' },
    ])
    expect(settingsOf(id).tokenEndpoint).toBe('https://ehr.example.com/moved')
  })

  test('what has answered before and does not now stays on', async () => {
    await imported()
    const before = tree()
    answers.set(base(first), { cause: 'no answer' })
    const plan = await imported(hospitals, { again: true })
    expect(asked).toHaveLength(12)
    expect(stepOf(plan, first)).toMatchObject({ kind: 'same', isOff: false, cause: 'no answer' })
    expect(tree()).toEqual(before)
  })
})

describe('a hospital that the list has no longer', () => {
  test('is told of every time, and its file stays', async () => {
    const id = idOf(await imported(), first)
    for (let times = 0; times < 2; times++) {
      expect((await imported(hospitals.slice(1))).gone).toMatchObject([{ id, isTouched: false }])
      expect(existsSync(pathOf(id))).toBe(true)
    }
    const back = await imported()
    expect([back.gone, kinds(back)]).toEqual([[], ['12 same']])
  })

  test('goes where that is asked for, unless somebody changed its file', async () => {
    const plan = await imported()
    const [id, touched] = [idOf(plan, first), idOf(plan, second)]
    edit(touched, text => `${text}# mine\n`)
    const next = await imported([third], { removeGone: true })
    expect(next.removed.map(each => each.id)).not.toContain(touched)
    expect([existsSync(pathOf(id)), existsSync(pathOf(touched))]).toEqual([false, true])
    expect((await imported([third])).gone.map(each => each.id)).toEqual([touched])
  })

  test('may be passed over now: it is gone all the same', async () => {
    await imported([first, second])
    const bundle = JSON.parse(JSON.stringify(bundleOf([first, second], ORIGIN)))
    bundle.entry[0].resource.status = 'off'
    const list = join(root, 'other.json')
    writeFileSync(list, JSON.stringify(bundle))
    const plan = await imported([], { bundle: list })
    expect([plan.gone.length, plan.passedOver.map(each => each.code)]).toEqual([1, ['not_active']])
  })
})

describe('nothing is written', () => {
  test('by a dry run, which shows the same difference', async () => {
    const dry = await imported(hospitals, { dryRun: true })
    expect(existsSync(folder)).toBe(false)
    const plan = await imported()
    expect(dry.steps).toEqual(plan.steps)
    const before = tree()
    const parts = { again: true, removeGone: true, ...withClient('x'), dryRun: true }
    expect(kinds(await imported(hospitals.slice(2), parts))).toEqual(['10 changed'])
    expect(tree()).toEqual(before)
  })

  test('of a list that is too large to be one', async () => {
    const given = request(hospitals)
    truncateSync(given.bundle, 64 * 1024 * 1024 + 1)
    await expect(importBundle(given, ports())).rejects.toMatchObject({ code: 'file_unreadable' })
    expect([asked, existsSync(folder)]).toEqual([[], false])
  })

  test('before the difference is shown', async () => {
    const seen: string[][] = []
    await importBundle(request(hospitals), {
      ...ports(),
      show: () => void seen.push(readdirSync(folder)),
    })
    expect(seen).toEqual([['.import-progress.ndjson']])
  })

  test('and nobody is asked while a file is in disorder', async () => {
    const id = idOf(await imported(), first)
    edit(id, text => text.replace('profile: epic', 'profile: [epic'))
    asked = []
    const done = await importBundle(request(hospitals, { again: true }), ports())
    expect(done).toMatchObject({ complaints: [{ file: pathOf(id) }] })
    expect(asked).toEqual([])
  })
})

describe('an import that was interrupted', () => {
  const stopAfter = (count: number): ImportPorts => {
    const { ask, ...others } = ports()
    return {
      ...others,
      ask: fhirBase => {
        if (asked.length >= count) throw new Error('killed')
        return ask(fhirBase)
      },
    }
  }

  test('goes on where it was: nobody is asked twice, and the end is the same', async () => {
    answers.set(base(second), { cause: 'no answer' })
    await imported()
    const whole = tree()
    rmSync(folder, { recursive: true })
    asked = []
    await expect(importBundle(request(hospitals), stopAfter(7))).rejects.toThrow('killed')
    const before = [...asked]
    await imported()
    expect([...before, ...asked].sort()).toEqual(hospitals.map(base).sort())
    expect(before).toHaveLength(7)
    expect(tree()).toEqual(whole)
  })

  test('is begun anew with another client ID', async () => {
    await expect(importBundle(request(hospitals), stopAfter(7))).rejects.toThrow('killed')
    await imported(hospitals, withClient('other'))
    expect(asked).toHaveLength(12)
  })
})
