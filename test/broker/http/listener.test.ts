import { connect } from 'node:tls'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import type { Config } from '../../../broker/config.ts'
import { listenerFor, takeIdentity } from '../../../broker/http/listener.ts'
import { makeAuthority } from '../../support/certificates.ts'

test('a renewed certificate is shown from the next connection on', async () => {
  const authority = await makeAuthority()
  const issue = (name: string) =>
    authority
      .issue({ names: ['localhost', name] })
      .then(identity => ({ ...identity, clientCa: null }))
  const tls = await issue('one.example')
  const listen = { socket: null, host: '127.0.0.1', port: 0, trustedProxies: [], tls }
  const app = listenerFor({ listen } as unknown as Config, pino({ enabled: false }))
  onTestFinished(() => app.close())
  const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
  const names = () =>
    new Promise<string>((resolve, reject) => {
      const options = { port: Number(port), host: 'localhost', ca: authority.ca }
      const socket = connect(options, () => {
        resolve(socket.getPeerCertificate().subjectaltname ?? '')
        socket.destroy()
      }).on('error', reject)
    })
  expect(await names()).toContain('one.example')
  takeIdentity(app, await issue('two.example'))
  expect(await names()).toContain('two.example')
})
