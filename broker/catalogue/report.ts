import { shown } from '../../keys-pipeline/errors.ts'
import { PASSED_OVER } from './bundle.ts'
import type { Plan } from './import.ts'
import type { Change, FieldName } from './merge.ts'
import type { Step } from './plan.ts'

/** The difference as people read it; `isDry` where nothing of it will be written. */
export function planReport(plan: Plan, isDry: boolean): string {
  const { steps, gone, passedOver } = plan
  const lines = [
    ...stepsOf(plan, 'added').map(({ id, fhirBase, cause }) =>
      line('added', id, cause === null ? fhirBase : `switched off: ${cause}`),
    ),
    ...stepsOf(plan, 'changed').flatMap(({ id, changes }) =>
      changes.map(each => line('changed', id, told(each))),
    ),
    ...keptLines(plan),
    ...silentLines(plan),
    ...goneLines(plan),
    ...passedOver.map(({ entry, code, address }) => {
      const what = address === null ? PASSED_OVER[code] : `${PASSED_OVER[code]}: ${address}`
      return line('passed', `entry ${entry}`, what)
    }),
  ]
  const kinds = (['added', 'changed', 'same', 'removed'] as const).map(
    kind => `${stepsOf(plan, kind).length} ${WORDS[kind]}`,
  )
  const off = steps.filter(each => each.isOff).length
  const summary = [
    `${steps.length} hospitals: ${kinds.join(', ')}`,
    `${off} of them switched off; ${gone.length} gone; ${passedOver.length} entries passed over`,
    isDry ? 'Nothing was written.' : '',
  ]
  return [...lines, ...summary.filter(Boolean)].map(shown).join('\n')
}

const WORDS = {
  added: 'added',
  changed: 'changed',
  same: 'as they were',
  removed: 'removed by hand',
}

const stepsOf = ({ steps }: Plan, kind: Step['kind']): Step[] =>
  steps.filter(each => each.kind === kind)

const keptLines = (plan: Plan): string[] => [
  ...plan.steps.flatMap(({ id, kept }) =>
    kept.map(({ field, from, to }) =>
      line('kept', id, `${nameOf(field)} is ${said(from)} by hand; the import has ${said(to)}`),
    ),
  ),
  ...stepsOf(plan, 'removed').map(({ id, fhirBase }) =>
    line('kept', id, `was removed by hand; the import has ${fhirBase}`),
  ),
]

const silentLines = ({ steps }: Plan): string[] =>
  steps.flatMap(({ id, kind, cause, isOff }) =>
    cause === null || kind === 'added'
      ? []
      : [line('silent', id, `${isOff ? 'still switched off' : 'kept as it is'}: ${cause}`)],
  )

function goneLines({ gone, removed }: Plan): string[] {
  return gone.map(each => {
    const what = each.isTouched ? ', and was changed by hand' : ''
    const then = removed.includes(each) ? '; its file is removed' : ''
    return line('gone', each.id, `${each.fhirBase} is not in the list any more${what}${then}`)
  })
}

/** The same for a script. */
export function planJson({ steps, gone, removed, passedOver }: Plan) {
  return {
    hospitals: steps.map(({ kind, id, fhirBase, changes, kept, cause, isOff }) => ({
      ...{ kind, id, fhirBase, changes, kept, cause, enabled: !isOff },
    })),
    gone: gone.map(each => ({ ...each, isRemoved: removed.includes(each) })),
    passedOver: passedOver.map(each => ({ ...each, reason: PASSED_OVER[each.code] })),
  }
}

const line = (word: string, id: string, text: string): string => `${word.padEnd(8)} ${id}: ${text}`

const told = ({ field, from, to }: Change): string =>
  `${nameOf(field)} was ${said(from)}, is ${said(to)}`

const nameOf = (field: FieldName): string => (field === 'off' ? 'enabled' : field)

/** A value in few words. */
function said(value: Change['to']): string {
  if (value === undefined) return 'left out'
  if (typeof value === 'string') return value
  return 'enabled' in value ? `false (${value.reason})` : value.join(' ')
}
