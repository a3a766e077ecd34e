import Type from 'typebox'
import { Compile } from 'typebox/schema'
import { describe, expect, test } from 'vitest'
import { formFaults, openSource, placeIn } from '../../broker/config-source.ts'

const form = Compile(
  Type.Object(
    {
      name: Type.String(),
      'a/b': Type.Optional(Type.Object({ c: Type.Integer() }, { additionalProperties: false })),
      kind: Type.Optional(Type.Enum(['x', 'y'])),
    },
    { additionalProperties: false },
  ),
)

const faults = (text: string): [string, number | null][] => {
  const source = openSource('f.yaml', text)
  return formFaults(source, form).map(each => {
    const { at, file, line } = placeIn(source, each)
    expect(file).toBe('f.yaml')
    return [at, line]
  })
}

test('what has its form has no fault', () => {
  expect(faults('name: x\na/b:\n  c: 1\n')).toEqual([])
  expect(openSource('f.yaml', 'name: x').value).toEqual({ name: 'x' })
})

describe('the place and the line are named', () => {
  test.each<[string, string, [string, number | null][]]>([
    ['a wrong value', 'name: x\na/b:\n  c: one\n', [['/a~1b/c', 3]]],
    ['a value that is none of a list', '# first\nname: x\nkind: z\n', [['/kind', 3]]],
    ['a setting that does not exist', 'name: x\nnaem: y\n', [['/naem', 2]]],
    ['a missing setting, by what it is missing in', 'name: x\na/b:\n  {}\n', [['/a~1b', 3]]],
    ['nothing at all', '', [['/', null]]],
    ['no YAML', 'name: [', [['/', null]]],
    ['a name twice', 'name: x\nname: y\n', [['/', null]]],
    ['an alias that leads nowhere', 'name: *x', [['/', null]]],
  ])('%s', (_, text, expected) => {
    expect(faults(text)).toEqual(expected)
  })
})
