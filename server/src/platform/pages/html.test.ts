import assert from 'node:assert/strict'
import { test } from 'node:test'
import { html } from './html.ts'

const markupOf = (piece: object): string =>
  String((piece as Record<symbol, string>)[Object.getOwnPropertySymbols(piece)[0]!])

test('every text in a template is escaped, in elements and in attributes; only pieces of HTML are not', () => {
  // Red when: markupOf returns a string as it is.
  const hostile = `<script>alert("x")</script>'&\``
  assert.equal(
    markupOf(html`<p title="${hostile}">${hostile}</p>`),
    '<p title="&#60;script&#62;alert(&#34;x&#34;)&#60;/script&#62;&#39;&#38;&#96;">&#60;script&#62;alert(&#34;x&#34;)&#60;/script&#62;&#39;&#38;&#96;</p>',
  )
  assert.equal(
    markupOf(html`${html`<b>${'<i>'}</b>`}${[html`<i>1</i>`, html`<i>2</i>`]}`),
    '<b>&#60;i&#62;</b><i>1</i><i>2</i>',
  )
  assert.equal(markupOf(html`${undefined}${false}${0}`), '0')
})

test('an object out of JSON is no piece of HTML, whatever its fields are called', () => {
  // Red when: Html is known by a string key.
  const forged = JSON.parse('{"markup":"<b>","html":"<b>","Symbol(markup)":"<b>"}') as never
  assert.throws(() => html`${forged}`)
})
