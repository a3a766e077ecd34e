import { ago, ahead, capital, make, moment } from './elements.js'

/** On the axis, so far apart are two marks of one key at least, that both can be read. */
const STEP = 1
/** Two of which nobody would tell the times apart, at that age, stand close, and the first goes without its name. */
const CLOSE = 0.2
const INDISTINCT = 0.08
/** Pixels that a step takes, and those of a row that are not the axis. */
const STEP_WIDTH = 72
const BESIDE = 400
/** How far marks of different keys are apart: less where that is too much. */
const SPREADS = [1, 0.3]
/** Milliseconds. */
const MINUTE = 60_000

/**
 * Where each moment stands on one axis for several keys: in the order of time, and long spans hardly wider than short
 * ones, since a key is made in minutes and signs for months. Null where so many pixels have no room for it.
 */
export function axisOf(keys, time, width) {
  const mostSteps = (width - BESIDE) / STEP_WIDTH
  for (const spread of SPREADS) {
    const axis = axisBy(keys, Date.parse(time), spread)
    if (axis.end <= mostSteps)
      return {
        at: moment => axis.places.get(Date.parse(moment)) / axis.end,
        /** Where a moment stands that nobody knows yet. */
        unknown: axis.afterNow / axis.end,
      }
  }
  return null
}

function axisBy(keys, now, spread) {
  const events = keys
    .flatMap(({ thumbprint, marks, next }) => [
      ...marks.map(({ at }) => ({ row: thumbprint, at: Date.parse(at) })),
      ...(next?.earliest ? [{ row: thumbprint, at: Date.parse(next.earliest) }] : []),
    ])
    .concat({ row: null, at: now })
  const places = new Map()
  const last = new Map()
  let [place, before] = [0, null]
  for (const [at, some] of [...Map.groupBy(events, each => each.at)].sort(([a], [b]) => a - b)) {
    // "Now" is on everybody's way.
    const rows = at === now ? keys.map(({ thumbprint }) => thumbprint) : some.map(({ row }) => row)
    for (const row of rows.filter(each => last.has(each))) {
      const step = isClose(last.get(row), at, now) ? CLOSE : STEP
      place = Math.max(place, places.get(last.get(row)) + step)
    }
    if (before !== null) place = Math.max(place, places.get(before) + spread * widthOf(at - before))
    for (const row of rows) last.set(row, at)
    places.set(at, place)
    before = at
  }
  const afterNow = places.get(now) + STEP
  return { places, afterNow, end: Math.max(place, afterNow) }
}

const widthOf = milliseconds => Math.min(0.75, 0.15 + Math.log10(1 + milliseconds / MINUTE) / 8)

const isClose = (first, second, now) => second < now && second - first < INDISTINCT * (now - first)

/** The way of one key as a list: what it has come through, now, and what comes next. */
export function roadOf({ marks, next }, axis, now) {
  const stations = [...Map.groupBy(marks, ({ at }) => at)].map(([at, some]) => ({
    ...{ at, states: some.map(each => each.state) },
    place: axis?.at(at) ?? 0,
  }))
  const nowPlace = axis?.at(now) ?? 0
  const items = stations.map(({ at, states, place }, nth) => {
    const after = stations[nth + 1]
    const isNear = after && isClose(Date.parse(at), Date.parse(after.at), Date.parse(now))
    return station(
      { className: isNear ? 'mark near' : 'mark', place, until: after?.place ?? nowPlace },
      states.at(-1),
      make('b', {}, capital(states.join(', '))),
      make('time', { dateTime: at, title: moment(at) }, ago(at, now)),
    )
  })
  const nextPlace =
    next === null || axis === null
      ? nowPlace
      : next.earliest === null
        ? axis.unknown
        : axis.at(next.earliest)
  const nowAt = { className: 'now', place: nowPlace, until: nextPlace }
  const list = make(
    'ol',
    { className: axis ? 'road' : 'road dense' },
    ...items,
    station(nowAt, null, make('b', {}, 'Now')),
    next && comingOf(next, nextPlace, now),
  )
  // A list without its marks is none for some screen readers, unless it says so.
  list.setAttribute('role', 'list')
  return list
}

function comingOf({ state, earliest }, place, now) {
  const when =
    earliest === null
      ? make('span', {}, 'no set time')
      : make(
          'time',
          { dateTime: earliest, title: moment(earliest) },
          ahead(earliest, now),
          earliest > now ? make('span', { className: 'unseen' }, ' at the earliest') : null,
        )
  return station(
    { className: 'next', place, until: place },
    state,
    make('span', { className: 'unseen' }, 'Next: '),
    make('b', {}, capital(state)),
    when,
  )
}

function station({ className, place, until }, state, ...content) {
  const item = make(
    'li',
    { className },
    make('span', { className: 'bar', 'aria-hidden': 'true' }),
    make('span', { className: 'label' }, ...content),
  )
  if (state !== null) item.dataset.state = state
  item.style.setProperty('--at', percent(place))
  item.style.setProperty('--long', percent(until - place))
  return item
}

const percent = share => `${Math.max(0, 100 * share).toFixed(2)}%`
