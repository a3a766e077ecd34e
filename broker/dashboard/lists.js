import { make, plural, STATES, tableOf, timeOf } from './elements.js'

const WHY = {
  newest: 'newest proven',
  in_use: 'in use',
  pinned: 'loaded by hand',
  fallback: 'fallback',
  unproven: 'not proven',
  unseen: 'not seen live',
}

/** What should not be about the keys of each environment, and when its set was last seen. */
export const alarmsOf = ({ keys, time }) =>
  keys.flatMap(({ environment, jwksUrl, lastTold, alarms }) => [
    ...alarms.map(({ code, since, about }) =>
      make(
        'p',
        { className: 'alarm' },
        make('b', { className: 'bad' }, `${environment}: `),
        make('code', {}, code),
        ` ${about.slice(0, 5).join(', ')}${about.length > 5 ? ` and ${about.length - 5} more` : ''}, `,
        timeOf(since, time),
      ),
    ),
    make(
      'p',
      { className: 'quiet' },
      `${environment}: `,
      ...(jwksUrl === null
        ? ['nobody looks at its key set (jwksUrl)']
        : lastTold === null
          ? ['its key set was not seen yet']
          : ['its key set was seen ', timeOf(lastTold, time)]),
    ),
  ])

/** Which key signs for what, by environment; then the keys that are there and sign for nothing. */
export function keysOf({ upstreams, keys, time }) {
  const groups = Map.groupBy(upstreams, ({ environment, kid }) =>
    JSON.stringify([environment, kid]),
  )
  const rows = [...groups.values()]
    .map(group => ({ ...group[0], group }))
    .sort((a, b) => b.environment.localeCompare(a.environment) || b.group.length - a.group.length)
    .map(({ environment, kid, keySince, group }) => {
      const last = group
        .flatMap(each => each.lastSuccess ?? [])
        .sort()
        .at(-1)
      return [
        environment,
        kid === null ? make('span', { className: 'bad' }, 'no key') : make('code', {}, kid),
        keySince === null ? '' : timeOf(keySince, time),
        plural(group.length, 'upstream'),
        whyOf(group),
        countsOf(group),
        last === undefined ? 'never' : timeOf(last, time),
      ]
    })
  for (const { environment, keys: known } of keys)
    for (const { kid, created, here, liveSince, revoked, signsFor } of known)
      if (signsFor === 0)
        rows.push([
          environment,
          make('code', {}, kid),
          timeOf(created, time),
          'nothing',
          standingOf(here, liveSince, revoked),
          '',
          '',
        ])
  return rows.length === 0
    ? make('p', { className: 'notice' }, 'There is no upstream to sign for.')
    : tableOf(
        'Keys',
        ['Environment', 'Key', 'Made', 'Signs for', 'Why', 'Which are', 'Last accepted'],
        rows,
      )
}

export const keyCount = ({ upstreams }) =>
  new Set(
    upstreams.flatMap(({ environment, kid }) => (kid === null ? [] : `${environment} ${kid}`)),
  ).size

const standingOf = (here, liveSince, revoked) =>
  revoked !== null ? 'revoked' : here ? (liveSince === null ? 'not live' : 'live') : 'not here'

const whyOf = group =>
  Object.entries(WHY)
    .map(([because, word]) => [group.filter(each => each.because === because).length, word])
    .filter(([count]) => count > 0)
    .map(([count, word]) => (count === group.length ? word : `${count} ${word}`))
    .join(', ')

const countsOf = group =>
  Object.entries(STATES)
    .map(([state, word]) => [group.filter(each => each.state === state).length, word])
    .filter(([count]) => count > 0)
    .map(([count, word]) => `${count} ${word}`)
    .join(', ')

/** The refusals that are alike in one row, the latest first. */
export function refusalsOf({ refusals, time }) {
  const groups = Map.groupBy(refusals, ({ action, code, service, claimed, upstream }) =>
    JSON.stringify([action, code, service, claimed, upstream]),
  )
  const rows = [...groups.values()].map(group => {
    const [latest] = group
    const addresses = [...new Set(group.map(each => each.address))]
    return [
      timeOf(latest.time, time),
      `${group.length} ×`,
      whoOf(latest),
      latest.upstream ?? '',
      [make('code', {}, latest.code), latest.action === 'report' ? ' (a report)' : ''],
      addresses.length === 1
        ? make('code', {}, addresses[0])
        : make(
            'span',
            { title: addresses.join(', ') },
            plural(addresses.length, 'address', 'addresses'),
          ),
    ]
  })
  return rows.length === 0
    ? make('p', { className: 'notice' }, 'Nobody was refused since the start.')
    : tableOf('Last refusals', ['Latest', 'Times', 'Who', 'Upstream', 'Code', 'From'], rows)
}

function whoOf({ service, claimed }) {
  if (service !== null) return make('b', {}, service)
  return claimed === null
    ? make('span', { className: 'quiet' }, 'somebody unknown')
    : [make('span', { className: 'quiet' }, 'says it is '), claimed]
}

/** Why the config that is there is not the one in force. */
export function complaintsOf({ time, complaints }, now) {
  const items = complaints.map(({ file, line, at, message }) =>
    make(
      'li',
      {},
      make('code', {}, line === null ? file : `${file}:${line}`),
      ' ',
      make('code', {}, at),
      ` ${message}`,
    ),
  )
  return [
    make(
      'p',
      {},
      make('b', {}, 'The config was changed and is not taken; the one before goes on. '),
      timeOf(time, now),
    ),
    items.length > 0 ? make('ul', {}, ...items) : make('p', {}, 'The log has the place.'),
  ]
}

export const disabledOf = disabled =>
  disabled.map(({ id, reason }) => make('li', {}, make('b', {}, id), ` ${reason}`))
