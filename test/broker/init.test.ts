import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { BLANK, firstConfig, SANDBOXES } from '../../broker/init.ts'

test.each([['blank', BLANK], ...Object.entries(SANDBOXES)])(
  'the first config (%s) has one upstream, one service and its grant',
  (_, start) => {
    const config = parse(firstConfig(start, 'ab'.repeat(32), '/a "folder"'))
    expect(Object.keys(config.upstreams)).toEqual([start.upstream])
    expect(config.services['my-service'].grants).toEqual([
      { upstream: start.upstream, scopes: ['system/Patient.read'] },
    ])
    expect(config.keys.nonprod.folder).toBe('/a "folder"')
  },
)
