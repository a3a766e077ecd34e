import { icon, make, moment, plural, renew, STATES, span, tell } from './elements.js'
import { alarmCount, keyCount, openKeys } from './keys.js'
import { complaintsOf, disabledOf, refusalsOf } from './lists.js'
import { openUpstreams } from './upstreams.js'

/** Milliseconds between two looks, and those that a look may take. */
const EVERY = 5_000
const PATIENCE = 8_000

const at = id => document.getElementById(id)
const VIEWS = ['upstreams', 'keys', 'refusals']
const SORTS = [...document.querySelectorAll('[data-sort]')].map(each => each.dataset.sort)

/** What the operator chose; the address has it, so that it can be kept and sent. */
const chosen = { view: 'upstreams', text: '', states: new Set(), sort: 'state', down: false }
const table = openUpstreams(at('table'), chosen)
const showKeys = openKeys(at('keys').querySelector('.list'))

let token = null
let isPaused = false
let latest = null
let timer
let looking = false
/** The moment of the last answer where the broker has not answered since. */
let silentSince = null
let said = { trouble: null }

const headers = () => (token === null ? {} : { authorization: `Bearer ${token}` })

async function look() {
  clearTimeout(timer)
  if (looking || isPaused || document.hidden) return
  looking = true
  try {
    const reply = await fetch('status', {
      headers: headers(),
      credentials: 'omit',
      cache: 'no-store',
      signal: AbortSignal.timeout(PATIENCE),
    })
    if (reply.status === 401) return askForToken('That is not the broker’s token.')
    if (!reply.ok) throw new Error(`status ${reply.status}`)
    show(await reply.json())
  } catch {
    fallSilent()
  } finally {
    looking = false
    pulse()
  }
  timer = setTimeout(look, EVERY)
}

function askForToken(fault = '') {
  token = null
  at('access').hidden = false
  at('board').hidden = true
  at('pause').hidden = true
  tell(at('access-fault'), fault)
  at('token').value = ''
  at('token').focus()
}

function show(status) {
  latest = status
  if (silentSince !== null) announce('The broker answers again.')
  silentSince = null
  at('silence').hidden = true
  at('access').hidden = true
  at('board').hidden = false
  at('pause').hidden = false
  table.show(status)
  refresh()
  tell(
    at('about'),
    `Up for ${span((Date.parse(status.time) - Date.parse(status.startedAt)) / 1000)} · config ${status.config.slice(0, 12)}`,
  )
}

function fallSilent() {
  const silence = at('silence')
  if (silentSince === null) {
    silentSince = latest?.time ?? ''
    announce('The broker does not answer.')
  }
  silence.hidden = false
  tell(
    silence,
    latest === null
      ? 'The broker does not answer. It is asked again every 5 seconds.'
      : `The broker has not answered since ${moment(latest.time)}. What is below is as it was then; it is asked again every 5 seconds.`,
  )
  document.title = 'No answer · Lockstep'
}

/** Everything that follows from the last answer and what is chosen. */
function refresh() {
  if (latest === null) return
  const counts = Object.fromEntries(
    Object.keys(STATES).map(state => [
      state,
      latest.upstreams.filter(each => each.state === state).length,
    ]),
  )
  showHeadline(counts, latest.upstreams.length)
  showStates(counts)
  arrange()
  const counted = [latest.upstreams.length, keyCount(latest), latest.refusals.length]
  for (const [index, link] of [...at('views').children].entries()) {
    const { view } = link.dataset
    link.href = hashOf({ ...chosen, view })
    if (view === chosen.view) link.setAttribute('aria-current', 'page')
    else link.removeAttribute('aria-current')
    tell(link.querySelector('.count'), String(counted[index]))
    at(view).hidden = view !== chosen.view
  }
  const alarms = alarmCount(latest)
  tell(at('key-alarms'), alarms === 0 ? '' : plural(alarms, 'alarm'))
  showConfig(latest)
  if (chosen.view === 'keys') showKeys(latest)
  if (chosen.view === 'refusals') renew(at('refusals').querySelector('.list'), refusalsOf(latest))
}

/** What is in the config and not among the rows: what is wrong with it, and what is switched off. */
function showConfig({ configRefused, disabled, time }) {
  at('config-refused').hidden = configRefused === null
  if (configRefused !== null) renew(at('config-refused'), ...complaintsOf(configRefused, time))
  at('disabled').hidden = disabled.length === 0
  const [summary, reasons] = at('disabled').children
  tell(summary, `${plural(disabled.length, 'upstream')} switched off`)
  renew(reasons, ...disabledOf(disabled))
}

function showHeadline({ failing, never_worked, working, untried }, total) {
  const trouble = failing + never_worked
  const text =
    total === 0
      ? 'The config has no upstreams'
      : trouble > 0
        ? `${trouble} of ${plural(total, 'upstream')} ${trouble === 1 ? 'needs' : 'need'} attention`
        : working === total
          ? `${total === 1 ? 'The one upstream works' : `All ${total} upstreams work`}`
          : working === 0
            ? 'No upstream was asked for a token yet'
            : `${plural(working, 'upstream')} ${working === 1 ? 'works' : 'work'}, ${untried} untried`
  tell(at('headline'), text)
  at('headline').dataset.state = trouble > 0 ? 'trouble' : 'calm'
  document.title = trouble > 0 ? `(${trouble}) Lockstep` : 'Lockstep'
  if (said.trouble !== null && said.trouble !== trouble) announce(`${text}.`)
  said = { trouble }
}

function showStates(counts) {
  const [group, share] = [at('states'), at('share')]
  for (const [state, word] of Object.entries(STATES)) {
    let button = group.querySelector(`[data-state=${state}]`)
    let part = share.querySelector(`[data-state=${state}]`)
    if (button === null) {
      button = make('button', { type: 'button' }, icon(state), make('b'), make('span', {}, word))
      button.dataset.state = state
      button.addEventListener('click', () => choose({ states: toggled(chosen.states, state) }))
      part = make('span')
      part.dataset.state = state
      group.append(button)
      share.append(part)
    }
    tell(button.querySelector('b'), counts[state].toLocaleString('en'))
    button.setAttribute('aria-pressed', String(chosen.states.has(state)))
    part.style.flexGrow = counts[state]
    part.hidden = counts[state] === 0
  }
}

function arrange() {
  const { shown, total } = table.arrange()
  const isNarrowed = chosen.text.trim() !== '' || chosen.states.size > 0
  tell(at('shown'), isNarrowed ? `${shown} of ${total} shown` : '')
  at('none').hidden = shown > 0
  tell(
    at('none').firstElementChild,
    total === 0
      ? 'An EHR whose tokens services may have is an upstream: name it under “upstreams” in the config.'
      : 'No upstream matches.',
  )
  at('clear').hidden = total === 0
  at('tools').hidden = total === 0
  at('share').hidden = total === 0
  at('table').hidden = shown === 0
  for (const head of document.querySelectorAll('[data-sort]')) {
    if (head.dataset.sort !== chosen.sort) head.removeAttribute('aria-sort')
    else head.setAttribute('aria-sort', chosen.down ? 'descending' : 'ascending')
  }
  return shown
}

const toggled = (set, each) =>
  set.has(each) ? set.difference(new Set([each])) : set.union(new Set([each]))

function choose(parts) {
  Object.assign(chosen, parts)
  history.replaceState(null, '', hashOf(chosen))
  refresh()
}

function hashOf({ view, text, states, sort, down }) {
  const parts = new URLSearchParams()
  if (view !== 'upstreams') parts.set('view', view)
  if (text !== '') parts.set('filter', text)
  if (states.size > 0) parts.set('state', [...states].join(' '))
  if (sort !== 'state' || down) parts.set('sort', down ? `-${sort}` : sort)
  return `#${parts}`
}

function readHash() {
  const parts = new URLSearchParams(location.hash.slice(1))
  const sort = parts.get('sort') ?? 'state'
  const column = sort.replace(/^-/, '')
  const view = parts.get('view')
  Object.assign(chosen, {
    view: VIEWS.includes(view) ? view : 'upstreams',
    text: parts.get('filter') ?? '',
    states: new Set(
      (parts.get('state') ?? '').split(' ').filter(each => Object.hasOwn(STATES, each)),
    ),
    sort: SORTS.includes(column) ? column : 'state',
    down: sort.startsWith('-'),
  })
  at('filter').value = chosen.text
}

/** Read out where somebody listens: only that something began or ended, never what stays. */
const announce = text => tell(at('announce'), text)

function pulse() {
  const state = silentSince !== null ? 'silent' : isPaused ? 'paused' : 'live'
  at('pulse').dataset.state = state
  const when = latest === null ? '' : `${latest.time.slice(11, 19)} UTC`
  tell(at('pulse'), { live: when, paused: `Paused, ${when}`, silent: 'No answer' }[state])
}

let typed
at('filter').addEventListener('input', event => {
  chosen.text = event.target.value
  const shown = arrange()
  clearTimeout(typed)
  typed = setTimeout(() => {
    choose({})
    announce(`${plural(shown, 'upstream')} shown.`)
  }, 600)
})
at('filter').addEventListener('keydown', event => {
  if (event.key === 'ArrowDown') at('table').querySelector('tbody button[tabindex="0"]')?.focus()
  else if (event.key !== 'Escape') return
  else event.target.value = ''
  event.preventDefault()
  event.target.dispatchEvent(new Event('input'))
})
document.addEventListener('keydown', event => {
  const isTyping = event.target instanceof HTMLInputElement
  if (event.key !== '/' || isTyping || event.ctrlKey || event.metaKey || event.altKey) return
  event.preventDefault()
  if (chosen.view !== 'upstreams') choose({ view: 'upstreams' })
  at('filter').focus()
})
at('clear').addEventListener('click', () => {
  at('filter').value = ''
  choose({ text: '', states: new Set() })
  at('filter').focus()
})
for (const head of document.querySelectorAll('[data-sort]'))
  head.firstElementChild.addEventListener('click', () => {
    const { sort } = head.dataset
    choose({ sort, down: sort === chosen.sort && !chosen.down })
  })
at('pause').addEventListener('click', () => {
  isPaused = !isPaused
  tell(at('pause'), isPaused ? 'Go on' : 'Pause')
  pulse()
  void look()
})
at('access').addEventListener('submit', event => {
  event.preventDefault()
  token = at('token').value.trim()
  void look()
})
document.addEventListener('visibilitychange', () => void look())
addEventListener('resize', refresh)
addEventListener('hashchange', () => {
  readHash()
  refresh()
})

readHash()
if (document.documentElement.dataset.token === 'asked') askForToken()
else void look()
