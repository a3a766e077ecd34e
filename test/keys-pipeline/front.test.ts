import { expect, test } from 'vitest'
import { asciiJson, outlive } from '../../keys-pipeline/front.ts'

test.each(['\u001b[31m', '\u202e', '\u007f', 'é', '😀', 'plain'])(
  'JSON in ASCII says the same, and nothing but printable ASCII: %j',
  text => {
    const written = asciiJson({ [text]: [text] })
    expect(written).toMatch(/^[\x20-\x7e]*$/)
    expect(JSON.parse(written)).toEqual({ [text]: [text] })
  },
)

test('that nobody reads is no trouble, and any other is', () => {
  const trouble = (code: string) => Object.assign(new Error(code), { code })
  expect(() => outlive(trouble('EPIPE'))).not.toThrow()
  expect(() => outlive(trouble('ENOSPC'))).toThrow('ENOSPC')
})
