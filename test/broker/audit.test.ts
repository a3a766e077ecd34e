import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type AuditRecord, auditTo, openAuditFile, readAuditTail } from '../../broker/audit.ts'
import { PROJECT } from '../support/processes.ts'

const record = (request: string): AuditRecord => ({
  time: '2026-11-25T00:00:00.000Z',
  request,
  action: 'token',
  decision: 'refused',
  code: 'secret_wrong',
  tolerated: null,
  service: null,
  claimed: null,
  method: null,
  address: '127.0.0.1',
  upstream: null,
  asked: { audience: null, resource: null, scope: null, minimum_ttl: 0 },
  granted: null,
  connection: null,
  reported: null,
  order: null,
  config: 'generation',
})

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lockstep-audit-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const requestsIn = (file: string): string[] =>
  readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line).request)

test.each([true, false])(
  'a record is in the file when its promise resolves (fsync: %s)',
  async sync => {
    const file = join(folder, 'audit.ndjson')
    const audit = openAuditFile(file, { sync })
    await audit.record(record('one'))
    expect(requestsIn(file)).toEqual(['one'])
    await audit.close()
  },
)

test('the audit file is for its owner alone', async () => {
  const file = join(folder, 'audit.ndjson')
  await openAuditFile(file, { sync: false }).close()
  expect(statSync(file).mode & 0o777).toBe(0o600)
})

test('a thousand records at once are written whole and in order', async () => {
  const file = join(folder, 'audit.ndjson')
  const audit = openAuditFile(file, { sync: false })
  const names = Array.from({ length: 1000 }, (_, at) => `r${at}`)
  await Promise.all(names.map(name => audit.record(record(name))))
  await audit.close()
  expect(requestsIn(file)).toEqual(names)
})

test('records of one moment share a write, and those that arrive while it is under way the next', async () => {
  const writes: string[][] = []
  const later: Promise<void>[] = []
  const audit = auditTo(
    async text => {
      writes.push(
        text
          .trimEnd()
          .split('\n')
          .map(line => JSON.parse(line).request),
      )
      if (writes.length === 1) later.push(...['c', 'd'].map(name => audit.record(record(name))))
    },
    () => {},
  )
  await Promise.all(['a', 'b'].map(name => audit.record(record(name))))
  await Promise.all(later)
  expect(writes).toEqual([
    ['a', 'b'],
    ['c', 'd'],
  ])
})

test('a line that a crash cut short does not swallow the next', async () => {
  const file = join(folder, 'audit.ndjson')
  appendFileSync(file, '{"half":')
  const audit = openAuditFile(file, { sync: false })
  await audit.record(record('next'))
  await audit.close()
  expect(JSON.parse(readFileSync(file, 'utf8').split('\n')[1] ?? '')).toMatchObject({
    request: 'next',
  })
})

test('a record that cannot be written rejects, and the next one may succeed', async () => {
  let full = true
  const audit = auditTo(
    async () => {
      if (full) throw Object.assign(new Error('disk'), { code: 'ENOSPC' })
    },
    () => {},
  )
  await expect(audit.record(record('one'))).rejects.toMatchObject({
    code: 'audit_failed',
    facts: { reason: 'ENOSPC' },
  })
  full = false
  await expect(audit.record(record('two'))).resolves.toBeUndefined()
})

test('an audit file that others may read is taken from them', async () => {
  const file = join(folder, 'audit.ndjson')
  appendFileSync(file, '')
  chmodSync(file, 0o644)
  await openAuditFile(file, { sync: false }).close()
  expect(statSync(file).mode & 0o777).toBe(0o600)
})

test('the last records are read again, whole ones only, of as much as is asked for', () => {
  const file = join(folder, 'audit.ndjson')
  expect(readAuditTail(file)).toEqual([])
  const lines = ['a', 'b', 'c'].map(each => JSON.stringify(record(each)))
  writeFileSync(file, `${lines[0]}\nnot a record\n7\n${lines[1]}\n${lines[2]}\n{"cut`)
  const requests = (most?: number) => readAuditTail(file, most).map(each => each.request)
  expect(requests()).toEqual(['a', 'b', 'c'])
  expect(requests(2 * (lines[2]?.length ?? 0))).toEqual(['c'])
  expect(requests(3)).toEqual([])
})

test('a record after the end is rejected, and reaches no other file that has taken the number', async () => {
  const audit = openAuditFile(join(folder, 'audit.ndjson'), { sync: false })
  await audit.close()
  const other = openAuditFile(join(folder, 'other'), { sync: false })
  await expect(audit.record(record('late'))).rejects.toMatchObject({ code: 'audit_failed' })
  await other.close()
  expect(readFileSync(join(folder, 'other'), 'utf8')).toBe('')
})

test('a disk that is full for a while loses no later record', async () => {
  // A process of its own, since the limit on the size of a file, which stands for the disk, is the process's.
  const program = `
    import { openAuditFile } from ${JSON.stringify(join(PROJECT, 'broker', 'audit.ts'))}
    const audit = openAuditFile('audit.ndjson', { sync: false })
    const said = []
    for (let at = 0; at < 60; at++) {
      said.push(await audit.record({ request: 'r' + at, pad: 'x'.repeat(100) }).then(() => true, () => false))
      if (at === 40) (await import('node:fs')).truncateSync('audit.ndjson', 1024)
    }
    process.stdout.write(JSON.stringify(said))`
  writeFileSync(join(folder, 'program.mjs'), program)
  const shell = `trap '' XFSZ; ulimit -f 4; exec "$0" program.mjs`
  const { stdout, status } = spawnSync('bash', ['-c', shell, process.execPath], {
    cwd: folder,
    encoding: 'utf8',
  })
  expect(status).toBe(0)
  const said: boolean[] = JSON.parse(stdout)
  expect(said).toContain(false)
  const later = said.flatMap((good, at) => (good && at > 40 ? [`r${at}`] : []))
  expect(later.length).toBeGreaterThan(5)
  const written = readFileSync(join(folder, 'audit.ndjson'), 'utf8')
    .split('\n')
    .flatMap(line => {
      try {
        return [JSON.parse(line).request]
      } catch {
        return []
      }
    })
  expect(written).toEqual(expect.arrayContaining(later))
})
