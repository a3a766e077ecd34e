import { shown } from '../../keys-pipeline/errors.ts'
import { PASSED_OVER } from './bundle.ts'
import type { Plan } from './import.ts'
import type { Change } from './merge.ts'
import type { Step } from './plan.ts'

/** The difference as people read it; `isDry` where nothing of it will be written. */
export function planReport({ steps, gone, removed, passedOver }: Plan, isDry: boolean): string {
  const of = (kind: Step['kind']): Step[] => steps.filter(each => each.kind === kind)
  const silent = steps.filter(each => each.cause !== null && each.kind !== 'added')
  const lines = [
    ...of('added').map(each =>
      line('added', each.id, each.cause ? `off: ${each.cause}` : each.fhirBase),
    ),
    ...of('changed').flatMap(({ id, changes }) =>
      changes.map(each => line('changed', id, told(each))),
    ),
    ...steps.flatMap(({ id, kept }) =>
      kept.map(each =>
        line('kept', id, `by hand: ${told({ ...each, from: each.to, to: each.from })}`),
      ),
    ),
    ...of('removed').map(({ id, fhirBase }) => line('kept', id, `removed by hand: ${fhirBase}`)),
    ...silent.map(({ id, cause, isOff }) =>
      line('silent', id, `${isOff ? 'still off' : 'kept as it is'}: ${cause}`),
    ),
    ...gone.map(each =>
      line(
        'gone',
        each.id,
        `${each.fhirBase} is not in the list${removed.includes(each) ? '; its file is removed' : each.isTouched ? '; its file was changed by hand' : ''}`,
      ),
    ),
    ...passedOver.map(({ entry, code, address }) =>
      line(
        'passed',
        `entry ${entry}`,
        `${PASSED_OVER[code]}${address === null ? '' : `: ${address}`}`,
      ),
    ),
  ]
  const off = steps.filter(each => each.isOff).length
  const counts = (['added', 'changed', 'same'] as const).map(kind => `${of(kind).length} ${kind}`)
  const summary = `${steps.length} hospitals: ${counts.join(', ')}; ${off} switched off; ${gone.length} gone; ${passedOver.length} entries passed over`
  return [...lines.map(shown), `${summary}${isDry ? '; nothing was written' : ''}`].join('\n')
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

const told = ({ field, from, to }: Change): string => {
  const name = field === 'off' ? 'enabled' : field
  return `${name}: ${said(from)} → ${said(to)}`
}

/** A value in few words. */
function said(value: Change['to']): string {
  if (value === undefined) return 'none'
  if (typeof value === 'string') return value
  return 'enabled' in value ? `false (${value.reason})` : value.join(' ')
}
