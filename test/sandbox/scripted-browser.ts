import { Agent, type Dispatcher, request } from 'undici'

/** What a browser would show. */
export interface Shown {
  status: number
  url: URL
  headers: Dispatcher.ResponseData['headers']
  text: string
}

/** What a person types and presses, by the names of the fields. */
export type Typed = Readonly<Record<string, string>>

/**
 * A person's browser without a screen: it follows redirects, keeps cookies by host, and sends forms. Where `isElsewhere`
 * says so it stops, and the page there is left unread.
 */
export class ScriptedBrowser {
  readonly #cookies = new Map<string, Map<string, string>>()
  readonly #dispatcher: Agent
  readonly #isElsewhere: (url: URL) => boolean

  constructor(ca: string, isElsewhere: (url: URL) => boolean = () => false) {
    this.#dispatcher = new Agent({ connect: { ca } })
    this.#isElsewhere = isElsewhere
  }

  open(url: string): Promise<Shown> {
    return this.#go(new URL(url), null)
  }

  /** Fills in the form of the page and sends it. */
  submit({ url, text }: Shown, typed: Typed): Promise<Shown> {
    const action = /<form[^>]* action="([^"]+)"/.exec(text)?.[1]
    if (action === undefined) throw new Error(`${url.origin}${url.pathname} has no form\n${text}`)
    const fields = [...text.matchAll(/<(?:input|button)[^>]* name="([^"]+)"(?: value="([^"]*)")?/g)]
    const hidden = fields.filter(([tag]) => tag.includes('type="hidden"'))
    const filled = Object.entries(typed).filter(([name]) => fields.some(each => each[1] === name))
    const kept = hidden.map(([, name = '', value = '']): [string, string] => [name, value])
    return this.#go(new URL(action, url), new URLSearchParams([...kept, ...filled]))
  }

  /** Goes through pages with forms, the same answers on each, until there is none or it is elsewhere. */
  async goThrough(url: string, typed: Typed): Promise<Shown> {
    let shown = await this.open(url)
    while (shown.status === 200 && !this.#isElsewhere(shown.url) && shown.text.includes('<form'))
      shown = await this.submit(shown, typed)
    return shown
  }

  close(): Promise<void> {
    return this.#dispatcher.close()
  }

  async #go(url: URL, form: URLSearchParams | null): Promise<Shown> {
    if (this.#isElsewhere(url)) return { status: 200, url, headers: {}, text: '' }
    const jar = this.#cookies.get(url.hostname) ?? new Map<string, string>()
    this.#cookies.set(url.hostname, jar)
    const { statusCode, headers, body } = await request(url, {
      ...{ method: form === null ? 'GET' : 'POST', dispatcher: this.#dispatcher },
      headers: {
        accept: 'text/html',
        cookie: [...jar].map(pair => pair.join('=')).join('; '),
        ...(form !== null && { 'content-type': 'application/x-www-form-urlencoded' }),
      },
      ...(form !== null && { body: form.toString() }),
    })
    for (const cookie of [headers['set-cookie'] ?? []].flat()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      if (/;\s*max-age=0/i.test(cookie)) jar.delete(name)
      else jar.set(name, value)
    }
    const text = await body.text()
    const location = headers['location']
    if (statusCode < 300 || statusCode >= 400 || typeof location !== 'string')
      return { status: statusCode, url, headers, text }
    return this.#go(new URL(location, url), null)
  }
}
