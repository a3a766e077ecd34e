import type { Evidence } from './evidence.ts'
import { isAnswer, judgeAnswers } from './judge-answer.ts'
import { type Beside, judgeKeys } from './judge-keys.ts'
import { judgeWay } from './judge-way.ts'
import type { Examined } from './report.ts'
import { takenBy, VENDOR_NAMES } from './vendors.ts'

/** All that can be said of what was seen, in the order of the checks. Pure. */
export function examine(evidence: Evidence, beside: Beside): Pick<Examined, 'remarks' | 'vendors'> {
  const { answers } = evidence
  const way = judgeWay(evidence)
  if (answers === null) return { remarks: way, vendors: [] }
  const said = judgeAnswers(answers)
  const isUnread = said.some(each => each.check === 'type' && UNREAD.includes(each.code ?? ''))
  const keys =
    isAnswer(answers) && !isUnread ? judgeKeys(answers.first, beside) : { remarks: [], keys: [] }
  const read = keys.keys
  return {
    remarks: [...way, ...said, ...keys.remarks],
    vendors: read.length === 0 ? [] : VENDOR_NAMES.map(name => takenBy(name, read)),
  }
}

/** Behind these there is nothing that could be read as a key set. */
const UNREAD = ['html', 'encoding_unasked']
