import { openDetails } from './details.js'
import {
  ago,
  capital,
  icon,
  lifeBar,
  make,
  moment,
  plural,
  STATES,
  span,
  tell,
} from './elements.js'

/** Seconds. An assertion is good for a clock of ours that is 60 s fast; the log warns from 30 s on. */
const MOST_SKEW = 30

const RANK = Object.keys(STATES)

/** How rows go by each column; what is equal goes by its id, and what is not known comes last. */
const ORDERS = {
  state: (a, b) => RANK.indexOf(a.state) - RANK.indexOf(b.state),
  id: () => 0,
  success: (a, b) => (a.lastSuccess ?? '').localeCompare(b.lastSuccess ?? ''),
  token: (a, b) => shortest(a) - shortest(b),
  skew: (a, b) => Math.abs(b.skew ?? 0) - Math.abs(a.skew ?? 0),
}

const shortest = ({ tokens }) => Math.min(Infinity, ...tokens.map(each => each.expiresIn))

/** The table of upstreams. `chosen` has the filter and the order, and is read at each `arrange`. */
export function openUpstreams(table, chosen) {
  // Laid out as a grid, a table is none for some screen readers, unless it says so.
  const roles = { table, rowgroup: table.tHead, row: table.tHead.rows[0] }
  for (const [role, element] of Object.entries(roles)) element.setAttribute('role', role)
  for (const head of table.tHead.rows[0].cells) head.setAttribute('role', 'columnheader')

  /** By id. */
  const rows = new Map()
  let order = []

  const show = ({ upstreams, time }) => {
    const ids = new Set(upstreams.map(({ id }) => id))
    for (const [id, row] of rows) {
      if (ids.has(id)) continue
      row.body.remove()
      rows.delete(id)
    }
    for (const upstream of upstreams) {
      const row = rows.get(upstream.id) ?? openRow(upstream.id)
      rows.set(upstream.id, row)
      row.show(upstream, time)
    }
    arrange()
  }

  /** Rows are moved only where the order has changed, so that the one in focus stays where it is. */
  const arrange = () => {
    const { text, states, sort, down } = chosen
    const words = text.toLowerCase().split(/\s+/).filter(Boolean)
    const compare = (a, b) =>
      (down ? -1 : 1) * ORDERS[sort](a.upstream, b.upstream) ||
      (down && sort === 'id' ? -1 : 1) * (a.upstream.id < b.upstream.id ? -1 : 1)
    const sorted = [...rows.values()].sort(compare)
    if (sorted.some((row, at) => row !== order[at]) || sorted.length !== order.length) {
      const focused = document.activeElement
      table.append(...sorted.map(row => row.body))
      if (table.contains(focused)) focused.focus({ preventScroll: true })
      order = sorted
    }
    let shown = 0
    for (const row of order) {
      const isShown =
        (states.size === 0 || states.has(row.upstream.state)) &&
        words.every(word => row.haystack.includes(word))
      row.body.hidden = !isShown
      if (isShown) shown++
    }
    rove()
    return { shown, total: order.length }
  }

  /** One row alone is a stop of the Tab key; the arrows go from row to row. */
  const rove = (wanted = order.find(row => row.button.tabIndex === 0 && !row.body.hidden)) => {
    const stop = wanted ?? order.find(row => !row.body.hidden)
    for (const row of order) row.button.tabIndex = row === stop ? 0 : -1
    return stop
  }

  table.addEventListener('keydown', event => {
    const visible = order.filter(row => !row.body.hidden)
    const at = visible.findIndex(row => row.button === event.target)
    if (at < 0) return
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: visible.length - 1 }[event.key]
    const next = visible[to]
    if (next === undefined) return
    event.preventDefault()
    rove(next).button.focus()
  })
  table.addEventListener('focusin', event => {
    const row = order.find(each => each.button === event.target)
    if (row) rove(row)
  })
  return { show, arrange }
}

function openRow(id) {
  const stateIcon = icon('untried')
  const word = make('span')
  const button = make('button', { type: 'button', tabIndex: -1 }, icon('fold'), make('b', {}, id))
  button.setAttribute('aria-expanded', 'false')
  const cells = {
    state: cell('state', 'State', stateIcon, word),
    id: cell('id', 'Upstream', button),
    said: cell('said-cell', 'What it last said'),
    success: cell('success', 'Last success'),
    token: cell('token', 'Token'),
    kid: cell('kid', 'Key'),
    skew: cell('skew', 'Clock'),
  }
  const place = make('span', { className: 'place' })
  cells.id.append(place)
  const line = make('tr', { role: 'row' }, ...Object.values(cells))
  const body = make('tbody', { role: 'rowgroup' }, line)
  const row = { body, button, upstream: null, haystack: '' }
  let now = ''
  let fold = null
  button.addEventListener('click', () => {
    const isOpen = button.getAttribute('aria-expanded') === 'true'
    button.setAttribute('aria-expanded', String(!isOpen))
    fold?.line.remove()
    fold = isOpen ? null : openFold(body)
    fold?.show(row.upstream, now)
  })

  row.show = (upstream, time) => {
    const isNew = JSON.stringify(upstream) !== JSON.stringify(row.upstream)
    Object.assign(row, { upstream })
    now = time
    if (upstream.lastSuccess) tell(cells.success, ago(upstream.lastSuccess, time))
    if (upstream.lastFailure) {
      const when = cells.said.querySelector('time')
      if (when) tell(when, ago(upstream.lastFailure.time, time))
    }
    if (!isNew) return
    row.haystack = haystackOf(upstream)
    body.dataset.state = upstream.state
    stateIcon.firstChild.setAttribute('href', `#icon-${upstream.state}`)
    tell(word, capital(STATES[upstream.state]))
    const { host } = new URL(upstream.fhirBase)
    tell(place, upstream.environment === 'production' ? host : `${upstream.environment} · ${host}`)
    place.title = upstream.fhirBase
    fill(cells, upstream, time)
    fold?.show(upstream, time)
  }
  return row
}

/** A line below an upstream's own, with its details. */
function openFold(body) {
  const { element, show } = openDetails()
  const inside = make('td', { role: 'cell', colSpan: 7 }, element)
  const line = make('tr', { role: 'row', className: 'fold' }, inside)
  body.append(line)
  return { line, show }
}

const cell = (className, label, ...children) =>
  make('td', { className, role: 'cell', 'data-label': label }, ...children)

function fill({ said, success, token, kid, skew }, upstream, now) {
  said.replaceChildren(...saidOf(upstream, now))
  const { lastSuccess } = upstream
  tell(
    success,
    lastSuccess === null ? (upstream.state === 'untried' ? '–' : 'Never') : ago(lastSuccess, now),
  )
  success.title = lastSuccess === null ? '' : moment(lastSuccess)
  token.replaceChildren(...tokensOf(upstream))
  kid.replaceChildren(
    upstream.kid === null
      ? make('span', { className: 'bad' }, 'none')
      : make('code', { title: upstream.kid }, upstream.kid),
  )
  tell(skew, upstream.skew === null ? '–' : signed(upstream.skew))
  skew.classList.toggle('bad', Math.abs(upstream.skew ?? 0) > MOST_SKEW)
}

/** Nothing where it works: a row that is well takes one line. */
function saidOf({ state, lastFailure, causes, breaker }, now) {
  if (state === 'working' || state === 'untried' || lastFailure === null) return []
  const [cause] = causes
  const { code, status, time } = lastFailure
  return [
    make(
      'span',
      { className: 'said' },
      make('code', {}, code),
      status === null ? '' : ` ${status}`,
      ' ',
      make('time', { dateTime: time, title: moment(time), className: 'quiet' }, ago(time, now)),
      breaker === 'closed' ? null : make('span', { className: 'tag' }, 'left alone for now'),
    ),
    ...(cause
      ? [
          make('span', { className: 'cause' }, cause.because),
          make('span', { className: 'cause fix' }, cause.fix),
        ]
      : []),
  ]
}

function tokensOf(upstream) {
  const { tokens, state } = upstream
  if (tokens.length === 0) return ['–']
  const soonest = tokens.reduce((a, b) => (b.expiresIn < a.expiresIn ? b : a))
  return [
    lifeBar(soonest, state === 'failing' && soonest.refreshIn === 0),
    make('span', {}, span(soonest.expiresIn)),
    tokens.length > 1
      ? make(
          'span',
          { className: 'quiet', title: plural(tokens.length, 'token') },
          ` ×${tokens.length}`,
        )
      : '',
  ]
}

const signed = seconds => (seconds > 0 ? `+${seconds} s` : `${seconds} s`.replace('-', '−'))

const haystackOf = ({ id, fhirBase, environment, clientId, profile, kid, state, ...rest }) =>
  [
    ...[id, fhirBase, environment, clientId, profile, kid ?? '', STATES[state]],
    ...[
      rest.lastFailure?.code ?? '',
      ...rest.causes.flatMap(({ code, because }) => [code, because]),
    ],
  ]
    .join('\n')
    .toLowerCase()
