import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { KEYS_CLI, PROJECT, run } from '../support/processes.ts'
import { basic, makeWorld, PATIENT, SECRET, type World } from '../support/world.ts'

/** A mark in every form in which a careless line could let it out. */
const forms = (mark: Buffer): string[] =>
  (['base64url', 'base64', 'hex', 'latin1'] as const).map(encoding =>
    mark.toString(encoding).replace(/=+$/, ''),
  )

const MARKED_TOKEN = 'MARKED-access-token-7f3a9c'

let world: World
let out: string
beforeAll(async () => {
  world = await makeWorld({ alg: 'RS384' })
  out = mkdtempSync(join(tmpdir(), 'lockstep-canary-'))
})
afterAll(async () => {
  await world.close()
  rmSync(out, { recursive: true })
})

/** The private members of the key, and the PEM body that any part of it would show in. */
function privateMarks(): string[] {
  const folder = join(world.folder, 'private')
  const [file = ''] = readdirSync(folder).filter(name => name.endsWith('.private.jwk.json'))
  const jwk = JSON.parse(readFileSync(join(folder, file), 'utf8'))
  return ['d', 'p', 'q', 'dp', 'dq', 'qi'].flatMap(name =>
    forms(Buffer.from(jwk[name], 'base64url')),
  )
}

test('neither a private key nor a token nor a secret shows anywhere it does not belong', async () => {
  const seen: string[] = []
  const privateFolder = join(world.folder, 'private')
  const keys = join(world.folder, 'keys')
  const commands = [
    ['build', '--keys', keys, '--out', join(out, 'site')],
    ['list', '--keys', keys],
    ['check', privateFolder],
    ['check', '--json', privateFolder],
    [
      'add',
      join(privateFolder, readdirSync(privateFolder)[0] ?? ''),
      '--environment',
      'nonprod',
      '--keys',
      keys,
    ],
  ]
  for (const args of commands) {
    const { stdout, stderr } = await run(KEYS_CLI, args, { cwd: PROJECT })
    seen.push(stdout, stderr)
  }
  for (const file of readdirSync(join(out, 'site'), { recursive: true, withFileTypes: true })) {
    if (file.isFile()) seen.push(readFileSync(join(file.parentPath, file.name), 'latin1'))
  }

  const grant = {
    access_token: MARKED_TOKEN,
    token_type: 'bearer',
    expires_in: 3600,
    scope: PATIENT,
  }
  const { faults } = world.epic
  const attempts = 3
  for (let at = 0; at < attempts; at++) faults.push((_, reply) => reply.code(500).send(grant))
  faults.push((_, reply) => reply.code(400).send({ error: MARKED_TOKEN, ...grant }))
  faults.push((_, reply) => reply.type('text/html').send(MARKED_TOKEN))
  faults.push((_, reply) => reply.type('application/json').send(`{"access_token":"${MARKED_TOKEN}`))
  faults.push(() => ({ ...grant, token_type: MARKED_TOKEN }))
  faults.push(() => ({ ...grant, expires_in: MARKED_TOKEN }))
  faults.push(() => ({ ...grant, scope: 'system/*.cruds' }))
  const refused = faults.length - attempts + 1
  for (let at = 0; at < refused; at++) {
    const reply = await world.ask()
    expect(reply.statusCode).toBeGreaterThanOrEqual(500)
    seen.push(reply.body, JSON.stringify(reply.headers))
    world.clock.advance(4000)
  }
  seen.push((await world.ask({}, basic('scheduling', `${SECRET}x`))).body)
  seen.push((await world.ask({ client_secret: SECRET })).body)

  faults.push(() => grant)
  const handedOut = await world.ask()
  expect(handedOut.json().access_token).toBe(MARKED_TOKEN)
  seen.push(JSON.stringify(handedOut.headers), world.logged())
  seen.push(readFileSync(join(world.folder, 'audit.ndjson'), 'latin1'))
  for (const path of ['/status', '/metrics']) seen.push((await world.admin.inject(path)).body)

  const everything = seen.join('\n')
  expect(everything).toContain('"decision":"granted"')
  expect(everything).toContain('private_member')
  const marks = [
    ...privateMarks(),
    ...forms(Buffer.from(MARKED_TOKEN)),
    ...forms(Buffer.from(SECRET)),
  ]
  expect(marks.filter(mark => everything.includes(mark))).toEqual([])
})
