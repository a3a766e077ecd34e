/** A span of time for people, from seconds. */
export function span(seconds: number): string {
  const [size, unit] = UNITS.find(([least]) => seconds >= 2 * least) ?? [1, 's']
  return `${Math.round(seconds / size)} ${unit}`
}

const UNITS: readonly (readonly [number, string])[] = [
  [24 * 60 * 60, 'days'],
  [60 * 60, 'h'],
  [60, 'min'],
]

/** Columns of a terminal. */
const WIDTH = 100

/** A text in lines of the width, each after the first as far in as the first is behind its head. */
export function hung(head: string, text: string, indent: number): string[] {
  const room = WIDTH - indent
  const words = text.split(' ').flatMap(word => word.match(new RegExp(`.{1,${room}}`, 'gu')) ?? [])
  const lines: string[] = []
  for (const word of words) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= room)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines.map((line, at) => `${(at === 0 ? head : '').padEnd(indent)}${line}`)
}
