import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { buildAdmin } from '../../broker/http/admin.ts'
import type { Status, UpstreamStatus } from '../../broker/status.ts'
import { launchChromium, visit } from '../support/browser.ts'
import { keysInRotation, manyUpstreams } from '../support/dashboard-status.ts'
import { faults } from '../support/looks.ts'
import {
  environmentStatus,
  keyStatus,
  NO_FHIR,
  NO_KEYS,
  statusWith,
  upstreamStatus,
} from '../support/status.ts'

/** The dashboard as an operator gets it: served by the real listener, and looked at by Debian's Chromium. */
let browser: Browser
beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser?.close())

interface Served {
  url: string
  /** What is told from now on. */
  tell: (status: Status) => void
  /** How often the status was asked for. */
  asked: () => number
  stop: () => Promise<void>
  startAgain: () => Promise<void>
}

async function serving(first: Status, token: string | null = null): Promise<Served> {
  let status = first
  let asked = 0
  const build = (): FastifyInstance =>
    buildAdmin({
      fhir: NO_FHIR,
      status: () => {
        asked++
        return status
      },
      metrics: { text: async () => '', contentType: 'text/plain' },
      token,
      keys: NO_KEYS,
      log: pino({ enabled: false }),
    })
  let app = build()
  onTestFinished(() => app.close())
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  return {
    url: `${url}/`,
    tell: next => {
      status = next
    },
    asked: () => asked,
    stop: () => app.close(),
    startAgain: async () => {
      app = build()
      await app.listen({ host: '127.0.0.1', port: Number(new URL(url).port) })
    },
  }
}

/** Opens the page with a clock that the test moves; it fails if the browser complains of anything that is left. */
async function open(url: string, options: BrowserContextOptions = {}) {
  const { page, complaints, close } = await visit(browser, url, options, ({ clock }) =>
    clock.install(),
  )
  onTestFinished(async () => {
    await close()
    expect(complaints).toEqual([])
  })
  return { page, complaints }
}

const SIX = manyUpstreams(6)
const EVERY = 5_000

const headline = (page: Page) => page.getByRole('heading', { level: 1 })
const idsShown = (page: Page): Promise<string[]> =>
  page.locator('tbody[data-state] .id b').filter({ visible: true }).allTextContents()
const announced = (page: Page) => page.getByRole('status').textContent()
const row = (page: Page, id: string) => page.getByRole('button', { name: id, exact: true })

/** The page with its details open, with no animation under way. */
async function opened(page: Page): Promise<void> {
  await page.locator('tbody button').first().click()
  await page.clock.runFor(1000)
}

describe('can be used by everybody, in the light, in the dark and on a phone', () => {
  test.each([0, 6, 60])('%d upstreams', async count => {
    const { url } = await serving(manyUpstreams(count))
    const { page } = await open(url)
    await headline(page).filter({ hasText: 'upstreams' }).waitFor()
    if (count > 0) await opened(page)
    expect(await faults(page)).toEqual([])
  })

  test.each(['keys', 'refusals'])('the view of %s', async view => {
    const { url } = await serving(manyUpstreams(50))
    const { page } = await open(`${url}#view=${view}`)
    await page.locator(`#${view} .list > *`).first().waitFor()
    expect(await faults(page)).toEqual([])
  })

  test('the question for the token, and silence', async () => {
    const asking = await serving(SIX, 'x'.repeat(32))
    const { page } = await open(asking.url)
    expect(await faults(page)).toEqual([])
  })
})

const up = (id: string, parts: Partial<UpstreamStatus> = {}) =>
  upstreamStatus({ id, state: 'working', lastSuccess: '2026-11-25T11:00:00.000Z', ...parts })
const down = (id: string, parts: Partial<UpstreamStatus> = {}) =>
  up(id, {
    state: 'failing',
    failures: 2,
    lastFailure: { time: '2026-11-25T11:58:00.000Z', code: 'upstream_invalid_client', status: 400 },
    ...parts,
  })
const CAUSE = {
  code: 'key_not_published',
  certainty: 'seen',
  because: 'The key that signs is not in the key set.',
  fix: 'Publish its public half.',
  who: 'us',
}

describe('says at a glance', () => {
  test.each<[string, UpstreamStatus[]]>([
    ['The config has no upstreams', []],
    ['No upstream was asked for a token yet', [upstreamStatus()]],
    ['The one upstream works', [up('a')]],
    ['All 2 upstreams work', [up('a'), up('b')]],
    ['1 upstream works, 1 untried', [up('a'), upstreamStatus({ id: 'b' })]],
    ['1 of 2 upstreams needs attention', [up('a'), down('b')]],
    [
      '2 of 2 upstreams need attention',
      [down('a'), down('b', { state: 'never_worked', lastSuccess: null })],
    ],
  ])('%s', async (text, upstreams) => {
    const { url } = await serving(statusWith(upstreams))
    const { page } = await open(url)
    await headline(page).filter({ hasText: text }).waitFor()
    expect(await headline(page).textContent()).toBe(text)
  })

  test('what is in trouble first, with its word, what it said, the likeliest cause and the fix', async () => {
    const upstreams = [
      up('a-works'),
      upstreamStatus({ id: 'b-untried' }),
      down('c-never', { state: 'never_worked', lastSuccess: null }),
      down('d-fails', { causes: [CAUSE] }),
    ]
    const { url } = await serving(statusWith(upstreams))
    const { page } = await open(url)
    await row(page, 'd-fails').waitFor()
    expect(await idsShown(page)).toEqual(['d-fails', 'c-never', 'b-untried', 'a-works'])
    const first = await page.locator('tbody').first().textContent()
    for (const part of [
      ...['Failing', 'upstream_invalid_client 400', '2 min ago', '1 h ago', 'kid-1'],
      ...[CAUSE.because, CAUSE.fix],
    ])
      expect(first).toContain(part)
    expect(await page.title()).toBe('(2) Lockstep')
    const counts = await page.locator('#states button').allInnerTexts()
    expect(counts.map(text => text.replace(/\s+/g, ' '))).toEqual([
      ...['1 failing', '1 never worked', '1 untried', '1 working'],
    ])
  })

  test('all that is known of an upstream, where it is unfolded', async () => {
    const token = { scope: 'system/Patient.rs', life: 3600, expiresIn: 1800, refreshIn: 1500 }
    const { url } = await serving(
      statusWith([down('a', { causes: [CAUSE], tokens: [token], skew: -45, breaker: 'open' })]),
    )
    const { page } = await open(url)
    await row(page, 'a').click()
    const details = await page.locator('.details').textContent()
    for (const part of [
      ...['Seen', CAUSE.because, `For us: ${CAUSE.fix}`, CAUSE.code, 'broker -- diagnose a'],
      ...['https://ehr.example.com/FHIR/R4', 'our-client', 'epic, production', 'kid-1'],
      ...['2026-11-25 11:00:00 UTC', '45 seconds behind', 'open: left alone'],
      ...['30 min left of 1 h, refreshed in 25 min', 'system/Patient.rs'],
    ])
      expect(details).toContain(part)
    await page.getByRole('button', { name: 'Copy' }).click()
    await expect
      .poll(() => page.evaluate('navigator.clipboard.readText()'))
      .toBe('npm run -s broker -- diagnose a')
  })

  test('which key signs for how many and why, and where there is none', async () => {
    const upstreams = [
      ...[up('a'), down('b', { because: 'in_use' }), up('c', { environment: 'nonprod' })],
      up('d', { environment: 'nonprod', kid: null, keySince: null, because: null }),
    ]
    const keys = [
      environmentStatus({ keys: [keyStatus({ signsFor: 2 })] }),
      environmentStatus({ environment: 'nonprod', jwksUrl: null }),
    ]
    const { url } = await serving(statusWith(upstreams, { keys }))
    const { page } = await open(`${url}#view=keys`)
    await page.locator('.key summary').click()
    const [production, nonprod] = await page.locator('.environment').allInnerTexts()
    for (const part of [
      ...['Signing', 'kid-1', 'RS384, signs for 2 upstreams', 'seen 1 min ago'],
      ...['1 newest proven, 1 in use', '1 failing, 1 working', '2026-11-25 11:00:00 UTC'],
    ])
      expect(production).toContain(part)
    expect(nonprod).toContain('No key signs for d')
    expect(nonprod).toContain('Nobody looks at its key set')
  })

  test('what should not be about the keys, and what the broker does next and waits for', async () => {
    const about = Array.from({ length: 7 }, (_, each) => `kid-${each}`)
    const since = '2026-11-25T11:00:00.000Z'
    const facts = { kid: 'next', commands: 'git add keys\ngit push' }
    const keys = [
      environmentStatus({
        alarms: [{ code: 'key_unclaimed', says: 'nobody has it', since, about }],
        keys: [keyStatus({ kid: '<b>strange</b>', signsFor: 0, here: false })],
        steps: [
          {
            ...({ do: 'propose', about: 'next' } as const),
            waitsFor: { code: 'publish_by_hand', says: 'By hand.', facts, since },
          },
          ...Array.from({ length: 40 }, (_, nth) => ({
            ...{ do: 'ask' as const, about: `ehr-${nth}`, waitsFor: null },
          })),
        ],
      }),
    ]
    const { url } = await serving(statusWith([up('a')], { keys }))
    const { page } = await open(url)
    await page.getByRole('link', { name: 'Keys 1 1 alarm' }).click()
    const text = (
      await page.evaluate<string>(`document.getElementById('keys').innerText`)
    ).replaceAll(/\s+/g, ' ')
    for (const part of [
      'Nobody has it: kid-0, kid-1, kid-2, kid-3, kid-4 and 2 more key_unclaimed, 1 h ago',
      '<b>strange</b> RS384, its private half is elsewhere',
      'Propose that next is published. By hand. publish_by_hand, kid next, 1 h ago git add keys',
      'Ask ehr-0, ehr-1, ehr-2, ehr-3, ehr-4 and 35 more for one token',
    ])
      expect(text).toContain(part)
    await page.getByRole('button', { name: 'Copy' }).last().click()
    await expect.poll(() => page.evaluate('navigator.clipboard.readText()')).toBe('git push')
  })

  test('who was refused, those that are alike in one row', async () => {
    const refusal = {
      ...({
        time: '2026-11-25T11:59:00.000Z',
        action: 'token',
        code: 'scope_not_granted',
      } as const),
      ...{ service: 'billing', claimed: 'billing', upstream: 'epic', address: '10.0.0.1' },
    }
    const stranger = { ...refusal, service: null, upstream: null, code: 'secret_wrong' }
    const { url } = await serving(
      statusWith([], {
        refusals: [
          ...[refusal, { ...refusal, address: '10.0.0.2' }],
          ...[stranger, { ...stranger, claimed: null, code: 'client_unknown' }],
        ],
      }),
    )
    const { page } = await open(`${url}#view=refusals`)
    const rows = await page.locator('#refusals tbody tr').allInnerTexts()
    expect(rows.map(text => text.split('\t').map(cell => cell.trim()))).toEqual([
      ['1 min ago', '2 ×', 'billing', 'epic', 'scope_not_granted', '2 addresses'],
      ['1 min ago', '1 ×', 'says it is billing', '', 'secret_wrong', '10.0.0.1'],
      ['1 min ago', '1 ×', 'somebody unknown', '', 'client_unknown', '10.0.0.1'],
    ])
  })
})

test('that the config was changed and is not taken, with each complaint, and what is switched off', async () => {
  const complaint = { file: '/etc/broker.yaml', line: 12, at: '/issuer', message: 'is no URL' }
  const { url, tell } = await serving(
    statusWith([up('a')], {
      configRefused: { time: '2026-11-25T11:58:00.000Z', complaints: [complaint] },
      disabled: [{ id: 'gone', fhirBase: 'https://gone.example.com', reason: 'contract ended' }],
    }),
  )
  const { page } = await open(url)
  const alarm = page.locator('#config-refused')
  await alarm.waitFor()
  for (const part of ['not taken', '2 min ago', '/etc/broker.yaml:12', '/issuer is no URL'])
    expect(await alarm.textContent()).toContain(part)
  await page.getByText('1 upstream switched off').click()
  expect(await page.getByText('gone contract ended').isVisible()).toBe(true)
  expect(await faults(page)).toEqual([])
  tell(statusWith([up('a')]))
  await page.clock.runFor(EVERY)
  await alarm.waitFor({ state: 'hidden' })
  expect(await page.getByText('switched off').isVisible()).toBe(false)
})

describe('the way of each key', () => {
  const marksOf = async (page: Page, kid: string) => {
    const items = page.getByRole('article', { name: kid }).getByRole('listitem')
    return (await items.allInnerTexts()).map(text => text.replaceAll(/\s+/g, ' '))
  }
  const boxes = (page: Page, selector: string) =>
    page.evaluate<{ left: number; right: number; top: number }[]>(
      `[...document.querySelectorAll('${selector}')].map(each => each.getBoundingClientRect().toJSON())`,
    )
  const inRotation = async (width: number) => {
    const { url } = await serving(statusWith([], { keys: keysInRotation() }))
    const { page } = await open(`${url}#view=keys`, { viewport: { width, height: 900 } })
    await page.locator('.key').first().waitFor()
    return page
  }

  test('is a list: what it has come through, now, and what is next, at the earliest when', async () => {
    const page = await inRotation(1280)
    expect(await marksOf(page, 't4Vb9qHs2NwRkLm6')).toEqual([
      ...['Made 12 d ago', 'Proposed 11 d ago', 'Live 4 min ago', 'Now'],
      'Next: Proven in 16 min at the earliest',
    ])
    expect((await marksOf(page, '8wZk1fYd7Lr5uNqE')).at(-1)).toBe('Next: Resting no set time')
    expect((await marksOf(page, 'gone-one')).slice(-2)).toEqual(['Gone 2 d ago', 'Now'])
    const guard = page.getByRole('article', { name: 't4Vb9qHs2NwRkLm6' }).locator('.waits')
    expect(await guard.textContent()).toMatch(/^Waits for the guard time.*12:16:00 UTC$/)
  })

  test('stands on one axis with the others, no name over another, and downwards where there is no room', async () => {
    const page = await inRotation(1280)
    expect(await page.locator('.dense').count()).toBe(0)
    const nows = await boxes(page, '.environment:first-child .now')
    expect(new Set(nows.map(({ left }) => left)).size).toBe(1)
    for (const kid of ['8wZk1fYd7Lr5uNqE', 't4Vb9qHs2NwRkLm6', 'resting-one']) {
      const road = `[aria-label$="${kid}"] .road >`
      const lefts = (await boxes(page, `${road} li`)).map(({ left }) => left)
      expect(lefts).toEqual(lefts.toSorted((a, b) => a - b))
      const names = await boxes(page, `${road} :is(.mark:not(.near), .next) > .label`)
      for (const [at, { right }] of names.entries())
        expect(names[at + 1]?.left ?? Number.POSITIVE_INFINITY).toBeGreaterThan(right)
    }
    await page.setViewportSize({ width: 360, height: 800 })
    const marks = await boxes(page, '[aria-label$="8wZk1fYd7Lr5uNqE"] .road > li')
    expect(new Set(marks.map(({ left }) => left)).size).toBe(1)
    expect(marks.every(({ top }, at) => top > (marks[at - 1]?.top ?? 0))).toBe(true)
    const hidden = `[...document.querySelectorAll('.road .label')]
      .filter(each => getComputedStyle(each).opacity !== '1').length`
    expect(await page.evaluate(hidden)).toBe(0)
  })

  test('is unfolded with the keyboard, and stays so while time goes on', async () => {
    const { url, tell } = await serving(statusWith([], { keys: keysInRotation() }))
    const { page } = await open(`${url}#view=keys`)
    const details = page.getByRole('article', { name: '8wZk1fYd7Lr5uNqE' }).locator('details')
    await details.locator('summary').focus()
    await page.keyboard.press('Enter')
    expect(await details.textContent()).toContain('2026-08-27 12:00:00 UTC')
    tell(statusWith([], { time: '2026-11-25T13:30:00.000Z', keys: keysInRotation().slice(0, 1) }))
    await page.clock.runFor(EVERY)
    await page.getByText('2 h ago').first().waitFor()
    expect(await details.getAttribute('open')).toBe('')
    expect(await page.evaluate('document.activeElement.innerText')).toMatch(/^Details/)
    expect(await page.locator('.environment').count()).toBe(1)
  })
})

describe('with the keyboard alone', () => {
  test('one goes to the filter, types, walks the rows, unfolds one, and comes back', async () => {
    const { url } = await serving(manyUpstreams(50))
    const { page } = await open(url)
    await headline(page).filter({ hasText: 'attention' }).waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('mercy epic')
    const ids = await idsShown(page)
    expect(ids.length).toBeGreaterThan(2)
    expect(ids.filter(id => !/^epic-mercy/.test(id))).toEqual([])
    const focused = () => page.evaluate('document.activeElement.innerText')
    for (const [key, at] of [
      ...[
        ['ArrowDown', 0],
        ['ArrowDown', 1],
        ['ArrowUp', 0],
        ['End', -1],
        ['Home', 0],
      ],
    ] as const) {
      await page.keyboard.press(key)
      expect(await focused(), key).toBe(ids.at(at))
    }
    await page.keyboard.press('Enter')
    expect(await page.locator('.details').count()).toBe(1)
    await page.keyboard.press('Enter')
    expect(await page.locator('.details').count()).toBe(0)
    await page.keyboard.press('/')
    await page.keyboard.press('Escape')
    expect(await idsShown(page)).toHaveLength(50)
  })

  test('every stop is seen to be one, and the rows are a single stop', async () => {
    const { url } = await serving(SIX)
    const { page } = await open(url)
    await headline(page).filter({ hasText: 'attention' }).waitFor()
    const stops: string[] = []
    for (let at = 0; at < 16; at++) {
      await page.keyboard.press('Tab')
      const stop = await page.evaluate<[string, boolean]>(`(() => {
        const { innerText, placeholder } = document.activeElement
        const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement)
        const isSeen = outlineStyle === 'solid' && parseFloat(outlineWidth) >= 2
        return [(innerText || placeholder || '').split(/\\s+/).slice(0, 3).join(' '), isSeen]
      })()`)
      expect(stop).toEqual([expect.any(String), true])
      stops.push(stop[0])
      if (stop[0].startsWith('medplum')) break
    }
    expect(stops).toEqual([
      ...['Pause', 'Upstreams 6', 'Keys 8 1', 'Refusals 40'],
      ...['1 failing', '0 never worked', '0 untried', '5 working'],
      ...['Filter: id, host,', 'State', 'Upstream', 'Last success', 'Token', 'Clock'],
      'medplum-northwestern-memorial-3',
    ])
  })

  test('a column sorts, and the other way when asked again', async () => {
    const { url } = await serving(
      statusWith([up('b', { skew: 40 }), up('a', { skew: -1 }), down('c', { skew: null })]),
    )
    const { page } = await open(url)
    await row(page, 'a').waitFor()
    const sorted = async (column: string) => {
      await page.getByRole('button', { name: column, exact: true }).press('Enter')
      const head = page.getByRole('columnheader', { name: column })
      return [await head.getAttribute('aria-sort'), (await idsShown(page)).join('')]
    }
    expect(await sorted('Upstream')).toEqual(['ascending', 'abc'])
    expect(await sorted('Upstream')).toEqual(['descending', 'cba'])
    expect(await sorted('Clock')).toEqual(['ascending', 'bac'])
    expect(await sorted('State')).toEqual(['ascending', 'cab'])
  })
})

describe('narrows to what is asked for', () => {
  test.each([
    ['an id', 'd-fai', ['d-fails']],
    ['a host', 'hospital.example', ['d-fails']],
    ['a client ID', 'client-of-a', ['a-works']],
    ['a kid, in capitals', 'KID-9', ['a-works']],
    ['a code', 'upstream_invalid', ['d-fails']],
    ['a cause', 'not in the key set', ['d-fails']],
    ['nothing there is', 'zebra', []],
  ])('by %s', async (_, text, ids) => {
    const { url } = await serving(
      statusWith([
        up('a-works', { clientId: 'client-of-a', kid: 'kid-9' }),
        down('d-fails', { causes: [CAUSE], fhirBase: 'https://hospital.example.com/R4' }),
      ]),
    )
    const { page } = await open(url)
    await page.getByRole('searchbox').fill(text)
    expect(await idsShown(page)).toEqual(ids)
    expect(await page.locator('#shown').textContent()).toBe(`${ids.length} of 2 shown`)
    await page.clock.runFor(1000)
    expect(await announced(page)).toMatch(new RegExp(`^${ids.length} upstreams? shown`))
  })

  test('by state, by several, and all again', async () => {
    const { url } = await serving(statusWith([up('a'), down('b'), upstreamStatus({ id: 'c' })]))
    const { page } = await open(url)
    const press = (name: string) => page.getByRole('button', { name }).click()
    await press('1 failing')
    expect(await idsShown(page)).toEqual(['b'])
    await press('1 working')
    expect(await idsShown(page)).toEqual(['b', 'a'])
    await press('1 failing')
    await press('1 working')
    expect(await idsShown(page)).toEqual(['b', 'c', 'a'])
    await press('0 never worked')
    await press('Clear the filter')
    expect(await idsShown(page)).toEqual(['b', 'c', 'a'])
  })

  test('what is chosen is in the address, and comes with it', async () => {
    const { url } = await serving(manyUpstreams(50))
    const { page } = await open(url)
    await page.getByRole('searchbox').fill('epic')
    await page.getByRole('button', { name: 'working' }).click()
    await page.getByRole('button', { name: 'Clock' }).click()
    const ids = await idsShown(page)
    const { page: other } = await open(page.url())
    await row(other, ids[0] ?? '').waitFor()
    expect(await idsShown(other)).toEqual(ids)
  })
})

describe('stays true', () => {
  const next = (page: Page) => page.clock.runFor(EVERY)

  test('a change shows, and what is unfolded, in focus and chosen stays', async () => {
    const { url, tell } = await serving(statusWith([up('a'), up('b')]))
    const { page } = await open(url)
    await row(page, 'b').click()
    tell(statusWith([up('a'), down('b')], { time: '2026-11-25T12:00:05.000Z' }))
    await next(page)
    await headline(page).filter({ hasText: '1 of 2 upstreams needs attention' }).waitFor()
    expect(await idsShown(page)).toEqual(['b', 'a'])
    expect(await page.evaluate('document.activeElement.innerText')).toBe('b')
    expect(await page.locator('.details').textContent()).toContain('upstream_invalid_client')
    expect(await announced(page)).toBe('1 of 2 upstreams needs attention.')
  })

  test('an upstream that goes from the config goes from the page, and a new one comes', async () => {
    const { url, tell } = await serving(statusWith([up('a'), up('b')]))
    const { page } = await open(url)
    await row(page, 'b').waitFor()
    tell(statusWith([up('a'), up('c')]))
    await next(page)
    await row(page, 'c').waitFor()
    expect(await idsShown(page)).toEqual(['a', 'c'])
  })

  test('nothing is read out while nothing changes', async () => {
    const { url, asked } = await serving(SIX)
    const { page } = await open(url)
    await headline(page).filter({ hasText: 'attention' }).waitFor()
    const before = asked()
    await next(page)
    await expect.poll(asked).toBeGreaterThan(before)
    expect(await announced(page)).toBe('')
  })

  test('that the broker has stopped answering is said, and that it answers again', async () => {
    const { url, stop, startAgain } = await serving(SIX)
    const { page, complaints } = await open(url)
    await headline(page).filter({ hasText: 'attention' }).waitFor()
    await stop()
    await next(page)
    await page.getByText('has not answered since 2026-11-25 12:00:00 UTC').waitFor()
    expect(await announced(page)).toBe('The broker does not answer.')
    expect(await page.title()).toBe('No answer · Lockstep')
    expect(await faults(page)).toEqual([])
    await startAgain()
    await next(page)
    await expect.poll(() => announced(page)).toBe('The broker answers again.')
    expect(await page.getByText('has not answered').isVisible()).toBe(false)
    // One at least: on a slow machine it asks again meanwhile.
    const told = complaints.splice(0)
    expect(told.length).toBeGreaterThan(0)
    expect(told.filter(each => !each.includes('ERR_CONNECTION_REFUSED'))).toEqual([])
  })

  test('nothing is asked while the page is hidden or paused', async () => {
    const { url, asked } = await serving(SIX)
    const { page } = await open(url)
    await headline(page).filter({ hasText: 'attention' }).waitFor()
    const hide = (isHidden: boolean) =>
      page.evaluate(`
        Object.defineProperty(document, 'hidden', { value: ${isHidden}, configurable: true })
        document.dispatchEvent(new Event('visibilitychange'))`)
    const before = asked()
    await hide(true)
    await page.clock.runFor(10 * EVERY)
    expect(asked()).toBe(before)
    await hide(false)
    await expect.poll(asked).toBe(before + 1)
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.clock.runFor(10 * EVERY)
    expect(asked()).toBe(before + 1)
    await page.getByRole('button', { name: 'Go on' }).click()
    await expect.poll(asked).toBe(before + 2)
  })
})

describe('where the listener asks for a token', () => {
  const TOKEN = 'an-operator-token-of-some-length-1'
  const enter = async (page: Page, token: string) => {
    await page.getByLabel('Token').fill(token)
    await page.keyboard.press('Enter')
  }

  test('the page asks once, says when it is wrong, and keeps it nowhere', async () => {
    const { url, asked } = await serving(SIX, TOKEN)
    const { page, complaints } = await open(url)
    expect(await page.evaluate('document.activeElement.id')).toBe('token')
    await enter(page, `${TOKEN}x`)
    await page.getByRole('alert').filter({ hasText: 'not the broker’s token' }).waitFor()
    expect(complaints.splice(0)).toEqual([expect.stringContaining('401')])
    expect(asked()).toBe(0)
    await enter(page, TOKEN)
    await headline(page).filter({ hasText: 'attention' }).waitFor()
    await page.clock.runFor(EVERY)
    await expect.poll(asked).toBe(2)
    const kept = await page.evaluate(
      'JSON.stringify([location.href, document.cookie, { ...localStorage }, { ...sessionStorage }])',
    )
    expect(kept).not.toContain(TOKEN)
    await page.reload()
    expect(await page.getByLabel('Token').isVisible()).toBe(true)
  })
})

test('what an EHR, a config or a caller says is text and nothing else', async () => {
  const hostile = '<img src=x onerror=throw><script>throw 1</script>'
  const { url } = await serving(
    statusWith(
      [
        down('a', {
          ...{ kid: hostile, clientId: hostile, profile: hostile },
          causes: [{ ...CAUSE, because: hostile, fix: hostile, code: hostile }],
          tokens: [{ scope: hostile, life: 60, expiresIn: 30, refreshIn: 0 }],
        }),
      ],
      {
        refusals: [
          {
            ...({ time: '2026-11-25T11:59:00.000Z', action: 'token', code: hostile } as const),
            ...{ service: hostile, claimed: null, upstream: hostile, address: hostile },
          },
        ],
      },
    ),
  )
  const { page } = await open(url)
  await row(page, 'a').click()
  expect((await page.locator('.details').textContent())?.split(hostile).length).toBeGreaterThan(5)
  await page.getByRole('link', { name: /Refusals/ }).click()
  expect(await page.locator('#refusals td').allInnerTexts()).toContain(hostile)
  expect(await page.locator('main img, main script').count()).toBe(0)
})

test('without a script the facts can be had all the same', async () => {
  const { url } = await serving(SIX)
  const { page } = await open(url, { javaScriptEnabled: false })
  await page.getByRole('link', { name: 'as JSON' }).click()
  expect(await page.textContent('body')).toContain('medplum-northwestern-memorial-3')
})
