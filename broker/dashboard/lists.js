import { make, plural, STATES, tableOf, timeOf } from './elements.js'

/** Which key signs for what, by environment. */
export function keysOf({ upstreams, time }) {
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
        countsOf(group),
        last === undefined ? 'never' : timeOf(last, time),
      ]
    })
  return rows.length === 0
    ? make('p', { className: 'notice' }, 'There is no upstream to sign for.')
    : tableOf(
        'Keys in use',
        ['Environment', 'Key', 'File written', 'Signs for', 'Which are', 'Last accepted'],
        rows,
      )
}

export const keyCount = ({ upstreams }) =>
  new Set(
    upstreams.flatMap(({ environment, kid }) => (kid === null ? [] : `${environment} ${kid}`)),
  ).size

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
