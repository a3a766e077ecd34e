/** What the page is made of, and how it says times. Text goes in as text alone: the policy lets in no markup. */

/** An element with properties and children; a child that is null is left out. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value
    else element.setAttribute(name, value)
  }
  element.append(...children.filter(child => child !== null))
  return element
}

export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use')
  use.setAttribute('href', `#icon-${name}`)
  svg.setAttribute('class', 'icon')
  svg.setAttribute('aria-hidden', 'true')
  svg.append(use)
  return svg
}

/** Sets the text where it differs: what has not changed is not painted again, nor read out. */
export function tell(element, text) {
  if (element.textContent !== text) element.textContent = text
}

/**
 * Makes the children of a place those that are given. What is alike stays the element that it was, so that a selection
 * and the focus stay; a button has something to do and nothing to tell, and stays as it is.
 */
export function renew(place, ...content) {
  const [before, now] = [[...place.childNodes], make('div', {}, ...content)]
  if (before.length !== now.childNodes.length) return place.replaceChildren(...now.childNodes)
  for (const [index, each] of [...now.childNodes].entries()) {
    const old = before[index]
    if (old.isEqualNode(each) || (old.tagName === 'BUTTON' && each.tagName === 'BUTTON')) continue
    if (old instanceof Element && old.cloneNode().isEqualNode(each.cloneNode()))
      renew(old, ...each.childNodes)
    else old.replaceWith(each)
  }
}

export const STATES = {
  failing: 'failing',
  never_worked: 'never worked',
  untried: 'untried',
  working: 'working',
}

export const capital = text => text.charAt(0).toUpperCase() + text.slice(1)

const UNITS = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'min'],
  [1, 's'],
]

const unitOf = seconds => UNITS.findIndex(([size]) => seconds >= size)

/** A span of seconds in its largest unit, and the next where that tells something: `3 d 4 h`, `52 min`, `8 s`. */
export function span(seconds) {
  const at = unitOf(seconds)
  const [size] = UNITS[at] ?? [1]
  const rest = seconds % size
  return at >= 0 && at < 2 && seconds < 10 * size && unitOf(rest) === at + 1
    ? `${roughly(seconds)} ${roughly(rest)}`
    : roughly(seconds)
}

/** In its largest unit alone, rounded down. */
function roughly(seconds) {
  const [size, unit] = UNITS[unitOf(seconds)] ?? [1, 's']
  return `${Math.floor(seconds / size)} ${unit}`
}

/** How long before `now` it was, both ISO 8601. The broker's clock tells both: this machine's may differ. */
export function ago(time, now) {
  const seconds = Math.max(0, Math.round((Date.parse(now) - Date.parse(time)) / 1000))
  return seconds < 5 ? 'just now' : `${roughly(seconds)} ago`
}

/** How long after `now` it comes, both ISO 8601. */
export function ahead(time, now) {
  const seconds = Math.round((Date.parse(time) - Date.parse(now)) / 1000)
  return seconds <= 0 ? 'any moment' : `in ${roughly(seconds)}`
}

/** `2026-11-25 12:00:05 UTC` */
export const moment = time => `${time.slice(0, 19).replace('T', ' ')} UTC`

/** A moment as one reads it and, beside the pointer, as one writes it down. */
export function timeOf(time, now) {
  return make('time', { dateTime: time, title: moment(time) }, ago(time, now))
}

export function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`
}

/** A token's life: what is left, and a mark where it is refreshed. */
export function lifeBar({ life, expiresIn, refreshIn }, isUrgent) {
  const left = make('span', { className: 'left' })
  const mark = make('span', { className: 'mark' })
  const share = seconds => `${Math.min(100, (100 * seconds) / Math.max(1, life))}%`
  left.style.inlineSize = share(expiresIn)
  mark.style.insetInlineStart = share(expiresIn - refreshIn)
  return make(
    'span',
    { className: isUrgent ? 'life urgent' : 'life', 'aria-hidden': 'true' },
    left,
    refreshIn > 0 ? mark : null,
  )
}

/** A table of plain cells, each with its column's name for narrow screens. */
export function tableOf(name, columns, rows) {
  return make(
    'table',
    { role: 'table', className: 'plain', 'aria-label': name },
    make(
      'thead',
      { role: 'rowgroup' },
      make(
        'tr',
        { role: 'row' },
        ...columns.map(column => make('th', { role: 'columnheader', scope: 'col' }, column)),
      ),
    ),
    make(
      'tbody',
      { role: 'rowgroup' },
      ...rows.map(cells =>
        make(
          'tr',
          { role: 'row' },
          ...cells.map((cell, at) =>
            make('td', { role: 'cell', 'data-label': columns[at] }, ...[cell].flat()),
          ),
        ),
      ),
    ),
  )
}

/** A command, with a button that copies it where the browser can. */
export function commandOf(text) {
  const code = make('code', {}, text)
  if (!navigator.clipboard) return make('p', { className: 'command' }, code)
  const button = make('button', { type: 'button', className: 'button' }, 'Copy')
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(code.textContent)
      button.textContent = 'Copied'
    } catch {
      getSelection()?.selectAllChildren(code)
      button.textContent = 'Selected'
    }
  })
  return make('p', { className: 'command' }, code, button)
}
