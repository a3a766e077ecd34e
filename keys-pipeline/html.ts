/** A piece of HTML that may be written as it is. */
export class Html {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** HTML around values: text is escaped, so that what is not meant as HTML never is; a list is written piece by piece. */
export function html(
  parts: TemplateStringsArray,
  ...values: readonly (string | Html | readonly Html[])[]
): Html {
  const written = values.map(value => {
    if (typeof value === 'string') return escaped(value)
    return value instanceof Html ? value.text : value.map(each => each.text).join('\n')
  })
  return new Html(String.raw({ raw: parts }, ...written))
}

/** A template with its `{{names}}` filled in, once: a value that looks like a name stays as it is. */
export function fill(template: string, values: Readonly<Record<string, Html>>): string {
  return template.replace(/\{\{(\w+)\}\}/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`a template names ${name}, which no page has`)
    return value.text
  })
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

const escaped = (text: string): string => text.replace(/[&<>"']/g, char => ENTITIES[char] ?? char)
