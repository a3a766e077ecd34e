import {
  capital,
  commandOf,
  icon,
  make,
  moment,
  plural,
  renew,
  STATES,
  timeOf,
} from './elements.js'
import { axisOf, roadOf } from './road.js'

/** Upstreams, kids or steps that are named before the rest is counted. */
const MOST_NAMED = 5

const WHY = {
  newest: 'newest proven',
  in_use: 'in use',
  pinned: 'loaded by hand',
  fallback: 'fallback',
  unproven: 'not proven',
  unseen: 'not seen live',
}

const STEPS = {
  make: about => `make a key for ${about}`,
  propose: about => `propose that ${about} is published`,
  ask: about => `ask ${about} for one token with the newer key`,
  withdraw: about => `propose that ${about} is removed`,
  keep: about => `take back the removal of ${about}`,
  archive: about => `put the private half of ${about} away`,
}

export const keyCount = ({ keys }) => keys.reduce((count, each) => count + each.keys.length, 0)
export const alarmCount = ({ keys }) => keys.reduce((count, each) => count + each.alarms.length, 0)

/** The keys of each environment. A row stays the element that it was, with what is unfolded and in focus in it. */
export function openKeys(place) {
  /** By environment, and by environment and thumbprint. */
  const sections = new Map()
  const rows = new Map()
  return status => {
    const kept = { sections: new Set(), rows: new Set() }
    for (const each of status.keys) {
      const section = sections.get(each.environment) ?? openSection(each.environment)
      sections.set(each.environment, section)
      kept.sections.add(each.environment)
      const axis = axisOf(each.keys, status.time, place.clientWidth)
      const shown = each.keys.map(key => {
        const name = `${each.environment} ${key.thumbprint}`
        const row = rows.get(name) ?? openRow()
        rows.set(name, row)
        kept.rows.add(name)
        row.show(key, each, axis, status)
        return row.element
      })
      section.show(each, shown, status)
    }
    for (const [map, names] of [
      [sections, kept.sections],
      [rows, kept.rows],
    ])
      for (const name of map.keys()) if (!names.has(name)) map.delete(name)
    const elements = [...kept.sections].map(name => sections.get(name).element)
    arrange(
      place,
      elements.length > 0
        ? elements
        : [make('p', { className: 'notice' }, 'The config has no keys.')],
    )
  }
}

/** What is in its place already stays there: what is moved loses the focus. */
function arrange(place, elements) {
  for (const each of [...place.children]) if (!elements.includes(each)) each.remove()
  for (const [at, each] of elements.entries())
    if (place.children[at] !== each) place.insertBefore(each, place.children[at] ?? null)
}

function openSection(environment) {
  const about = make('p', { className: 'about' })
  const alarms = make('div', { className: 'alarms' })
  const list = make('div', { className: 'keylist' })
  const steps = make('div', { className: 'steps' })
  const id = `keys-of-${environment}`
  const element = make(
    'section',
    { className: 'environment', 'aria-labelledby': id },
    make('h3', { id }, capital(environment)),
    ...[about, alarms, list, steps],
  )
  return {
    element,
    show: (each, rows, status) => {
      renew(about, ...watchOf(each, status.time))
      renew(alarms, ...alarmsOf(each, status), ...keylessOf(each, status))
      arrange(
        list,
        rows.length > 0
          ? rows
          : [make('p', { className: 'notice' }, 'No key is here, and none was seen in the set.')],
      )
      renew(steps, ...stepsOf(each, status.time))
    },
  }
}

const watchOf = ({ jwksUrl, lastTold }, time) =>
  jwksUrl === null
    ? ['Nobody looks at its key set: the config has no ', make('code', {}, 'jwksUrl'), '.']
    : [
        make('code', {}, jwksUrl),
        ...(lastTold === null ? [' was not seen yet.'] : [', seen ', timeOf(lastTold, time)]),
      ]

const alarmsOf = ({ alarms }, { time }) =>
  alarms.map(({ code, says, since, about }) =>
    make(
      'p',
      { className: 'alarm' },
      make('b', { className: 'bad' }, capital(says)),
      ': ',
      named(about),
      ' ',
      make('span', { className: 'quiet' }, make('code', {}, code), ', ', timeOf(since, time)),
    ),
  )

function keylessOf({ environment }, { upstreams }) {
  const without = upstreams.filter(each => each.environment === environment && each.kid === null)
  if (without.length === 0) return []
  const ids = without.map(({ id }) => id)
  return [
    make(
      'p',
      { className: 'alarm' },
      make('b', { className: 'bad' }, 'No key signs for '),
      named(ids),
    ),
  ]
}

function named(names) {
  const rest = names.length - MOST_NAMED
  return `${names.slice(0, MOST_NAMED).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`
}

/** One key: what it is, its way, what it waits for, and, unfolded, all that is known. */
function openRow() {
  const head = make('div', { className: 'keyhead' })
  const road = make('div', { className: 'way' })
  const waits = make('div', { className: 'waits' })
  const facts = make('dl')
  const element = make(
    'article',
    { className: 'key' },
    ...[head, road, waits],
    make(
      'details',
      {},
      make('summary', {}, 'Details', make('span', { className: 'unseen' })),
      facts,
    ),
  )
  const whose = element.querySelector('summary .unseen')
  return {
    element,
    show: (key, environment, axis, status) => {
      const { time } = status
      element.dataset.state = key.state
      const label = `${key.state}: ${key.kid}`
      if (element.getAttribute('aria-label') !== label) element.setAttribute('aria-label', label)
      renew(whose, ` of ${key.kid}`)
      renew(head, ...headOf(key, status))
      renew(road, roadOf(key, axis, time))
      renew(waits, ...key.waitsFor.map(waitOf))
      renew(facts, ...factsOf(key, environment, status))
    },
  }
}

function headOf({ kid, alg, role, here, state, since, signsFor }, { time }) {
  const facts = [
    alg,
    role === 'standby' && state !== 'standby' ? 'standby' : null,
    signsFor > 0 ? `signs for ${plural(signsFor, 'upstream')}` : null,
    here ? null : 'its private half is elsewhere',
  ].filter(each => each !== null)
  return [
    make(
      'p',
      { className: 'state' },
      icon(`key-${state}`),
      make('span', {}, capital(state)),
      since === null ? null : make('span', { className: 'since' }, timeOf(since, time)),
    ),
    make('p', { className: 'name' }, make('code', {}, kid)),
    make('p', { className: 'quiet' }, facts.join(', ')),
  ]
}

const waitOf = ({ says, upstreams, until }) =>
  make(
    'p',
    {},
    `Waits for ${says}`,
    upstreams.length > 0 ? ` (${named(upstreams)})` : null,
    until === null ? null : `, until ${moment(until)}`,
  )

function factsOf(key, { environment, rotations }, { upstreams }) {
  const group = upstreams.filter(each => each.environment === environment && each.kid === key.kid)
  const last = group
    .flatMap(each => each.lastSuccess ?? [])
    .sort()
    .at(-1)
  const rotation = rotations.find(({ kid }) => kid === key.kid)
  const facts = [
    ['Thumbprint', key.thumbprint === key.kid ? null : make('code', {}, key.thumbprint)],
    ...key.marks.map(({ state, at }) => [capital(state), moment(at)]),
    ['Next', key.next && nextOf(key.next)],
    ['Pull request', rotation?.proposal ? String(rotation.proposal) : null],
    ['Last signed', key.lastSigned === null ? 'never' : moment(key.lastSigned)],
    ['Signs for', key.signsFor === 0 ? 'nothing' : plural(key.signsFor, 'upstream')],
    ['Why', group.length === 0 ? null : countsOf(group, 'because', WHY)],
    ['Which are', group.length === 0 ? null : countsOf(group, 'state', STATES)],
    ['Last accepted', group.length === 0 ? null : last === undefined ? 'never' : moment(last)],
  ]
  return facts
    .filter(([, value]) => value !== null)
    .flatMap(([name, value]) => [make('dt', {}, name), make('dd', {}, value)])
}

const nextOf = ({ state, earliest }) =>
  earliest === null ? `${state}, no set time` : `${state}, ${moment(earliest)} at the earliest`

const countsOf = (group, member, words) =>
  Object.entries(words)
    .map(([value, word]) => [group.filter(each => each[member] === value).length, word])
    .filter(([count]) => count > 0)
    .map(([count, word]) => (count === group.length ? `${word}` : `${count} ${word}`))
    .join(', ')

/** What the broker does next, and what keeps it from that. Questions to EHRs that nothing keeps from being asked are counted. */
function stepsOf({ steps }, time) {
  const asks = steps.filter(({ do: what, waitsFor }) => what === 'ask' && waitsFor === null)
  const others = steps.filter(each => !asks.includes(each))
  const items = others.map(({ do: what, about, waitsFor }) =>
    stepOf(STEPS[what](about), waitsFor, time),
  )
  if (asks.length > 0)
    items.push(make('li', {}, capital(STEPS.ask(named(asks.map(({ about }) => about))))))
  return items.length === 0
    ? []
    : [make('h4', {}, 'What the broker does next'), make('ul', {}, ...items)]
}

function stepOf(says, waitsFor, time) {
  if (waitsFor === null) return make('li', {}, capital(says))
  const { commands, ...facts } = waitsFor.facts
  const known = Object.entries(facts).map(([name, value]) => `${name} ${value}`)
  return make(
    'li',
    {},
    `${capital(says)}. `,
    make('b', { className: 'bad' }, waitsFor.says),
    ' ',
    make(
      'span',
      { className: 'quiet' },
      make('code', {}, waitsFor.code),
      known.length > 0 ? `, ${known.join(', ')}, ` : ', ',
      timeOf(waitsFor.since, time),
    ),
    ...(typeof commands === 'string' ? commands.split('\n').map(commandOf) : []),
  )
}
