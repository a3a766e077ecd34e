import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from './processes.ts'
import { makeWorld, type World } from './world.ts'

const SCOPES = ['patient/Patient.read', 'user/Patient.read']

/**
 * A broker that users log in through, over TLS, and the local Epic as the EHR, which has two apps of ours: `epic`, and
 * `framed`, which it may show in a frame.
 */
export async function makeEpicLaunchWorld(
  service: { service?: string; returnUrl?: string } = {},
): Promise<World & { publicUrl: string }> {
  const port = await freePort()
  // Another site than the local Epic's localhost.
  const publicUrl = `https://127.0.0.1:${port}`
  const world = await makeWorld({
    prepare: async (file, folder, authority) => {
      const { cert, key } = await authority.issue()
      writeFileSync(join(folder, 'launch.pem'), cert)
      for (const [name, text] of [
        ['launch.key', key],
        ['seal', randomBytes(32)],
      ] as const)
        writeFileSync(join(folder, name), text, { mode: 0o600 })
      const tls = { cert: 'launch.pem', key: 'launch.key' }
      file.launch = { listen: { port, tls }, publicUrl, sealKeys: ['seal'], debug: true }
      const { epic } = file.upstreams
      if (!epic) throw new Error('no upstream')
      const { origin } = new URL(epic.fhirBase)
      const launch = {
        ...{ clientId: 'user-app', scopes: SCOPES },
        authorizationEndpoint: String(epic.tokenEndpoint).replace(/token$/, 'authorize'),
      }
      epic.launch = { ...launch, ...service, offline: true }
      file.upstreams['framed'] = {
        ...{ ...epic, clientId: 'app-both', scopes: ['system/Coverage.read'] },
        launch: { ...launch, clientId: 'framed-app', embedded: true, origins: [origin] },
      }
    },
  })
  const { epic, jwksUrl, launch } = world
  for (const [id, clientId] of [
    ['epic', 'user-app'],
    ['framed', 'framed-app'],
  ] as const)
    await epic.register({
      ...{ clientId, environment: 'nonprod', jwksUrl, scopes: SCOPES },
      userSide: {
        redirectUris: [`${publicUrl}/oauth/${id}-callback`],
        ...{ isPersistent: true, launchUrl: `${publicUrl}/oauth/${id}-launch` },
      },
    })
  await launch?.listen({ host: '127.0.0.1', port })
  return { ...world, publicUrl }
}
