import { make, plural, tableOf, timeOf } from './elements.js'

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
