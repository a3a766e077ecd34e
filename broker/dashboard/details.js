import { capital, commandOf, lifeBar, make, moment, plural, span } from './elements.js'

const ACTS = { us: 'For us', hospital: 'For the hospital', portal: 'In the vendor’s portal' }
const BREAKER = {
  closed: null,
  open: 'open: left alone after failures in a row',
  half_open: 'half open: one call is let through to see',
}

/** Everything that is known of one upstream. The causes are replaced only by others: somebody may be copying there. */
export function openDetails() {
  const element = make('div', { className: 'details' })
  let shown = ''
  let facts = null
  return {
    element,
    show: (upstream, now) => {
      const { id, state, causes } = upstream
      const next = JSON.stringify([id, state, causes])
      const before = facts
      facts = factsOf(upstream, now)
      if (next === shown) before.replaceWith(facts)
      else element.replaceChildren(...causesOf(upstream), facts)
      shown = next
    },
  }
}

function causesOf({ id, state, causes }) {
  const isTrouble = state === 'failing' || state === 'never_worked'
  if (!isTrouble) return []
  const list = causes.map(({ code, certainty, because, fix, who }) =>
    make(
      'li',
      {},
      make(
        'p',
        { className: 'because' },
        make('span', { className: `certainty ${certainty}` }, capital(certainty)),
        ` ${because}`,
      ),
      make('p', { className: 'fix' }, make('b', {}, `${ACTS[who] ?? who}: `), fix),
      make('p', { className: 'quiet' }, make('code', {}, code)),
    ),
  )
  const section = make(
    'div',
    { className: 'causes' },
    make('h3', {}, causes.length > 0 ? 'Likely causes' : 'No cause was found yet'),
    list.length > 0 ? make('ol', {}, ...list) : null,
    make('p', { className: 'quiet' }, 'To look again, on the broker’s machine:'),
    commandOf(`npm run -s broker -- diagnose ${id}`),
  )
  return [section]
}

function factsOf(upstream, now) {
  const { lastSuccess, lastFailure, failures, skew } = upstream
  const facts = [
    ['FHIR base', make('code', {}, upstream.fhirBase)],
    ['Client ID', make('code', {}, upstream.clientId)],
    ['Profile', `${upstream.profile}, ${upstream.environment}`],
    ['Key', upstream.kid === null ? 'none' : make('code', {}, upstream.kid)],
    ['It signs since', upstream.signsSince === null ? null : moment(upstream.signsSince)],
    ['Last success', lastSuccess === null ? 'never' : moment(lastSuccess)],
    ['Last failure', lastFailure === null ? 'none' : failureOf(lastFailure)],
    ['Failures in a row', failures > 0 ? String(failures) : null],
    ['Breaker', BREAKER[upstream.breaker]],
    ['Clock', skew === null ? 'not told yet' : clockOf(skew)],
    ...upstream.tokens.map((token, at) => [at === 0 ? 'Tokens held' : '', tokenOf(token)]),
  ]
  return make(
    'dl',
    {},
    ...facts
      .filter(([, value]) => value !== null)
      .flatMap(([name, value]) => [make('dt', {}, name), make('dd', {}, value)]),
    make('dt', {}, 'As of'),
    make('dd', {}, moment(now)),
  )
}

const failureOf = ({ time, code, status }) =>
  make(
    'span',
    {},
    make('code', {}, code),
    status === null ? ', ' : `, status ${status}, `,
    moment(time),
  )

const clockOf = skew =>
  skew === 0 ? 'as ours' : `${plural(Math.abs(skew), 'second')} ${skew > 0 ? 'ahead' : 'behind'}`

const tokenOf = token =>
  make(
    'span',
    { className: 'held' },
    lifeBar(token, false),
    make(
      'span',
      {},
      `${span(token.expiresIn)} left of ${span(token.life)}, `,
      token.refreshIn > 0 ? `refreshed in ${span(token.refreshIn)}` : 'due for its refresh',
    ),
    make('code', { className: 'quiet' }, token.scope),
  )
