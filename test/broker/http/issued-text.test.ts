import { expect, test } from 'vitest'
import { openIssuedText } from '../../../broker/http/issued-text.ts'
import { issuedOf } from '../../../broker/issue-token.ts'
import type { Obtained } from '../../../broker/tokens/obtain.ts'

test.each(['plain', 'with "quotes" and \\', 'ü 🙂  line', '__proto__'])(
  'the text is the response as JSON, with the life that is left when it is asked for: %s',
  text => {
    const textOf = openIssuedText()
    const token = { accessToken: text, scope: text } as Obtained['token']
    for (const left of [3600, 31]) {
      const obtained = { token, expiresIn: () => left, source: 'cache' } as const
      expect(textOf(obtained)).toBe(JSON.stringify(issuedOf(obtained)))
    }
  },
)
