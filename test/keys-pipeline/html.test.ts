import { expect, test } from 'vitest'
import { fill, Html, html } from '../../keys-pipeline/html.ts'

test.each([
  ['<script>', '&lt;script&gt;'],
  ['"onclick=', '&quot;onclick='],
  ["'", '&#39;'],
  ['&lt;', '&amp;lt;'],
  ['\\u003c $1 {{name}}', '\\u003c $1 {{name}}'],
])('text is never HTML: %s', (text, written) => {
  expect(html`<p title="${text}">${text}</p>`.text).toBe(`<p title="${written}">${written}</p>`)
})

test('HTML in HTML stays as it is, and a list is written piece by piece', () => {
  const items = ['a', '<b>'].map(each => html`<li>${each}</li>`)
  expect(html`<ul>${items}</ul>`.text).toBe('<ul><li>a</li>\n<li>&lt;b&gt;</li></ul>')
  expect(html`${new Html('<hr>')}`.text).toBe('<hr>')
})

test('a template is filled once: what comes in is not a template', () => {
  expect(fill('{{a}} {{b}} {{a}}', { a: html`{{b}}`, b: html`$&` })).toBe('{{b}} $& {{b}}')
})

test('a template that asks for what there is not is a mistake', () => {
  expect(() => fill('{{a}}{{b}}', { a: html`` })).toThrow('names b')
})
