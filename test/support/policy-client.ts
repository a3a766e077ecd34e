import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import process from 'node:process'
import { chanceFrom } from './chance.ts'
import { faultIn, randomWish } from './random-policy.ts'
import { type RawConfig, secondPolicy, type Wish } from './second-policy.ts'
import { basic } from './world.ts'

/** What the parent asks for, and what it gets: so many requests under the config that is in force. */
export interface Round {
  config: string
  port: number
  seed: number
  requests: number
}
export interface Judged {
  faults: string[]
  granted: number
}

const AT_ONCE = 16
/** Of a hundred. Each is answered later than the one before, two seconds at the most. */
const WRONG_SECRETS = 0.1
const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE })

/** A process of services that ask whatever comes to mind, and judge what they get by the second policy. */
process.on('message', async ({ config, port, seed, requests }: Round) => {
  const raw = JSON.parse(readFileSync(config, 'utf8')) as RawConfig
  const [chance, judge] = [chanceFrom(seed), secondPolicy(raw)]
  const judged: Judged = { faults: [], granted: 0 }
  let left = requests
  const work = async (): Promise<void> => {
    while (left-- > 0) {
      const wish = randomWish(chance, raw, WRONG_SECRETS)
      const answer = await ask(port, wish)
      if ('token' in answer) judged.granted++
      const fault = faultIn(judge(wish), answer)
      if (fault !== null) judged.faults.push(`${fault}: ${JSON.stringify(wish)}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  process.send?.(judged)
})

function ask(port: number, wish: Wish): Promise<{ token: string } | { code: string }> {
  const form = new URLSearchParams({ grant_type: 'client_credentials' })
  for (const resource of wish.resources) form.append('resource', resource)
  for (const name of ['audience', 'scope'] as const) {
    const value = wish[name]
    if (value !== undefined) form.append(name, value)
  }
  return new Promise((resolve, reject) => {
    request(
      {
        ...{ agent, port, host: '127.0.0.1', path: '/oauth2/token', method: 'POST' },
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          authorization: basic(wish.client, wish.secret),
        },
      },
      async reply => {
        let text = ''
        for await (const part of reply) text += part
        const { access_token: token, code } = JSON.parse(text)
        resolve(reply.statusCode === 200 ? { token } : { code })
      },
    )
      .on('error', reject)
      .end(form.toString())
  })
}
