import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { features } from '../../features.ts'
import { declare } from '../declarations.ts'
import { locales } from '../locales.ts'
import { renderMail } from './render.ts'
import type { Values } from './render.ts'
import { loadTemplates } from './templates.ts'

const LINK = 'https://api.example.com/account/page?token=AAAAAAAA'
const declared = declare(features)
const names = Object.keys(declared.mails)
const valuesOf = (name: string) => declared.mails[name] ?? []
const scratch = mkdtempSync(join(tmpdir(), 'freehold-mail-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

let serial = 0

/** A directory with these files. */
function directoryOf(files: Record<string, string | Buffer>): string {
  const directory = join(scratch, String(serial++))
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(join(directory, path), content)
  }
  return directory
}

const full: Values = {
  app: 'Acme',
  home: 'https://acme.example',
  name: 'Ann',
  link: LINK,
  expires: 'EXPIRES',
  when: 'WHEN',
  ip: '192.0.2.7',
  device: 'Firefox, Windows',
  organization: 'Hooli',
  inviter: 'Bob',
  new_email: 'new@example.com',
  provider: 'Google',
}
const bare: Values = { app: 'Acme', home: 'https://acme.example', link: LINK, when: 'WHEN', organization: 'Hooli' }

const ours = loadTemplates(declared)
const render = (name: string, values: Values = full, locale: 'en' | 'de' = 'en', templates = ours) =>
  renderMail(templates, { locale, name, values, to: 'ann@example.com' })

// Red when: a template says {{lnik}} or forgets the link, or render.ts takes the second line into the subject.
test('every mail in every language has a subject of one line, its link once and in a button, and no tag left', () => {
  for (const locale of locales) {
    for (const name of names) {
      const cases = [{}, { change: true }, { deleted: true }, { known_device: true }]
      for (const values of [full, bare].flatMap(each => cases.map((more): Values => ({ ...each, ...more })))) {
        const { subject, text, html } = render(name, values, locale)
        const at = `${locale}/${name}`
        assert.match(subject, /^\S.{5,80}\S$/, at)
        assert.doesNotMatch(subject + text + html, /\{\{|\}\}|undefined|null|\n\n\n/, at)
        const hasLink = valuesOf(name).includes('link') && !(name === 'account-exists' && values['deleted'])
        assert.equal(text.split(LINK).length - 1, hasLink ? 1 : 0, at)
        assert.equal(html.includes(`<a href="${LINK}" style="display:inline-block`), hasLink, at)
        for (const [, label = ''] of html.matchAll(/<a href="[^"]*" style="display:inline-block[^>]*>([^<]*)</g))
          assert.match(label, /^\p{Lu}.{3,38}$/u, `${at} has a button ${label}`)
        assert.match(html, new RegExp(`^<!doctype html>\n<html lang="${locale}">`))
        assert.ok(
          text.split('\n').every(line => line === line.trim()),
          at,
        )
        for (const paragraph of text.trim().split('\n\n')) {
          const [first] = paragraph.split('\n')
          assert.ok(first === LINK || html.includes(first!.replace(/:$/, '')), `${at} shows ${first} in HTML`)
        }
      }
    }
  }
})

// Red when: paragraphsOf shows the address of the product as text.
test('the address of the product, alone in a line, is a link', () => {
  const { html } = render('owner-added', full)
  assert.match(html, /sent the invitation:<br><a href="https:\/\/acme\.example"[^>]*>https:\/\/acme\.example<\/a><\/p>/)
  assert.doesNotMatch(html, /class="button"/)
})

// Red when: renderMail inserts a name as it is: a reader would see "(Ltd) 12" on the wrong side of the name.
test('a name that is written from right to left keeps its order within a sentence, and no other name is changed', () => {
  const { subject, text, html } = render('invitation', { ...full, organization: 'מפעל 12 (Ltd)' })
  const name = '\u2068מפעל 12 (Ltd)\u2069'
  assert.equal(subject, `Invitation to ${name}`)
  assert.ok(text.includes(`Bob invites you to join ${name} on Acme.`), text)
  assert.ok(html.includes(`join ${name} on Acme.`))
  assert.doesNotMatch(render('invitation').text, /[\u2068\u2069]/)
})

// Red when: an English text goes on in lower case after the greeting, as a German one does.
test('an English email begins with a sentence', () => {
  for (const name of names)
    for (const values of [full, bare])
      for (const paragraph of render(name, values).text.trim().split('\n\n'))
        assert.match(paragraph, /^(?:\p{Lu}|https:|\p{N}|\w+:)/u, `${name}: ${paragraph}`)
})

// Red when: a value of a feature's mails.ts is missing in a template of one language.
test('both languages say the same: each value that one shows, the other shows', () => {
  const shown = (path: string) =>
    [...new Set([...ours.get(path)!.matchAll(/\{\{[#^]?(\w+)/g)].map(([, tag]) => tag))].sort()
  for (const name of names) assert.deepEqual(shown(`de/${name}.txt`), shown(`en/${name}.txt`), name)
})

// Red when: a notice leaves out {{> circumstances}} or what to do.
test('every notice says when, from where, with what, and what to do if it was someone else', () => {
  for (const name of names.filter(name => valuesOf(name).includes('device'))) {
    const { text } = render(name)
    assert.match(text, /When: WHEN\nAddress: 192\.0\.2\.7\nDevice: Firefox, Windows\n/, name)
    assert.match(text, /Set a new password:\nhttps:|write to the operators of Acme/, name)
    assert.match(render(name, bare).text, /Address: unknown\nDevice: unknown\n/, name)
  }
})

// Red when: render.ts leaves out oneLine(), renders twice, or does not escape what it makes of the text.
test('a value is no tag, no HTML, no header and no paragraph', () => {
  const hostile =
    '{{link}} {{{body}}} <b onload=x>"A" & \'B\'</b>\r\nBcc: eve@example.com\n\nhttps://x\u2028\u202Eend\0'
  const { subject, text, html } = render('invitation', { ...full, organization: hostile, name: hostile, app: hostile })
  assert.equal(
    subject,
    `Invitation to {{link}} {{{body}}} <b onload=x>"A" & 'B'</b> Bcc: eve@example.com https://x end`,
  )
  assert.equal(text.split(LINK).length, 2)
  assert.doesNotMatch(text, /^(Bcc|https:\/\/x)/m)
  assert.doesNotMatch(html, /<b[ >]|\u202E|\0/)
  assert.ok(html.includes('&#60;b onload=x&#62;&#34;A&#34; &#38; &#39;B&#39;&#60;/b&#62; Bcc: eve@example.com'))
  assert.equal(html.split('<h1').length, 2)
})

// Red when: loadTemplates takes ours first, or does not put pieces in.
test('an operator’s file replaces ours, a text, an HTML page, a piece or the layout', () => {
  const templates = loadTemplates(
    declared,
    directoryOf({
      'en/sign-up.txt': 'Welcome to {{app}}\r\n\r\nCome in:\r\n{{link}}\r\n',
      'en/reset-password.html': '<p title="{{name}}">{{name}}: <a href="{{link}}">go</a></p>',
      'de/not-you.txt': 'Rufen Sie uns an.\n\n{{link}}\n',
      'layout.html': '<main>{{subject}}{{{body}}}</main>',
      '.DS_Store': '',
      '..data/en/other.txt': '',
    }),
  )
  const signUp = render('sign-up', full, 'en', templates)
  assert.equal(signUp.subject, 'Welcome to Acme')
  assert.equal(signUp.text, `Come in:\n${LINK}\n`)
  assert.match(signUp.html, /^<main>Welcome to Acme<p class="button"/)
  const { html, text } = render('reset-password', { ...full, name: '"><b>' }, 'en', templates)
  assert.equal(
    html,
    `<p title="&quot;&gt;&lt;b&gt;">&quot;&gt;&lt;b&gt;: <a href="https:&#x2F;&#x2F;api.example.com&#x2F;account&#x2F;page?token&#x3D;AAAAAAAA">go</a></p>`,
  )
  assert.equal(text, render('reset-password', { ...full, name: '"><b>' }).text)
  assert.match(render('recovery-code-used', full, 'de', templates).text, /Windows[^]*\n\nRufen Sie uns an\.\n\nhttps/)
  assert.match(render('recovery-code-used', full, 'en', templates).text, /someone else has access/)
})

// Red when: the piece loses a section, or renderMail makes no button of the link that undoes.
test('a mail about a change has a button that undoes it, where it can be undone', () => {
  const undo = 'https://api.example.com/account/undo?token=BBBB'
  for (const locale of ['en', 'de'] as const) {
    const { text, html } = render('totp-added', { ...full, undo, undo_expires: 'LATER' }, locale)
    assert.match(text, new RegExp(`:\n${undo.replaceAll(/[.?]/g, '\\$&')}\n\n.*LATER`))
    assert.equal(html.split('class="button"').length, 3)
    assert.equal(render('totp-added', full, locale).html.split('class="button"').length, 2)
  }
})

// Red when: a check of templates.ts is left out.
test('a template that cannot be meant is refused at start, every fault at once and in words', () => {
  const text = 'Subject\n\nText\n\n{{link}}\n'
  const faults: [files: Record<string, string | Buffer>, pattern: RegExp][] = [
    [{ 'en/pasword-reset.txt': text }, /^- en\/pasword-reset\.txt belongs to no email; files are layout\.html and/m],
    [{ 'fr/sign-up.txt': text }, /^- fr\/sign-up\.txt belongs to no email/m],
    [{ 'en/sign-up.md': text }, /^- en\/sign-up\.md belongs to no email/m],
    [{ 'en/constructor.txt': text }, /^- en\/constructor\.txt belongs to no email/m],
    [{ 'en/not-you.html': text }, /^- en\/not-you\.html belongs to no email/m],
    [
      { 'en/sign-up.txt': `${text}{{token}}` },
      /^- en\/sign-up\.txt uses \{\{token\}\}, which it does not have: there are app, home/m,
    ],
    [{ 'en/sign-up.txt': `${text}{{#when}}x{{/when}}` }, /^- en\/sign-up\.txt uses \{\{when\}\}/m],
    [{ 'en/sign-up.txt': `${text}{{#name}}` }, /^- en\/sign-up\.txt is not well-formed: Unclosed section "name"/m],
    [{ 'en/sign-up.html': '{{{link}}}' }, /^- en\/sign-up\.html shows link unescaped: write \{\{link\}\}/m],
    [{ 'en/sign-up.html': '{{link}}{{> not-you}}' }, /^- en\/sign-up\.html includes \{\{> not-you\}\}/m],
    [{ 'en/sign-up.html': '<p>' }, /^- en\/sign-up\.html has no \{\{link\}\}/m],
    [{ 'en/sign-up.txt': `${text}{{> ../../etc/passwd}}` }, /^- en\/sign-up\.txt includes/m],
    [{ 'en/sign-up.txt': `${text}{{=<% %>=}}` }, /^- en\/sign-up\.txt changes the delimiters of tags/m],
    [{ 'en/sign-up.txt': 'Subject\n\nSee {{link}}' }, /^- en\/sign-up\.txt has no line that is only \{\{link\}\}/m],
    [
      { 'en/sign-up.txt': 'Subject\nText\n\n{{link}}' },
      /^- en\/sign-up\.txt does not begin with a subject, an empty line/m,
    ],
    [{ 'en/sign-up.txt': Buffer.from('Gr\xFC\xDFe\n\nx\n\n{{link}}', 'latin1') }, /^- en\/sign-up\.txt is not UTF-8/m],
    [{ 'layout.html': '{{subject}}' }, /^- layout\.html has no \{\{\{body\}\}\}/m],
  ]
  for (const [files, pattern] of faults)
    assert.throws(() => loadTemplates(declared, directoryOf(files)), { message: pattern })
  const all = directoryOf({ 'en/sign-up.md': '', 'de/sign-up.txt': '{{', 'layout.html': '{{foot}}{{{body}}}' })
  assert.throws(
    () => loadTemplates(declared, all),
    ({ message }: Error) => message.split('\n').length === 4,
  )
  assert.throws(
    () => loadTemplates(declared, join(scratch, 'missing')),
    /^Error: MAIL_TEMPLATES: \S+ cannot be read \(ENOENT\)/,
  )
})

// Red when: requireAll of templates.ts is left out.
test('a mail that a feature declares without a template stops the start, and the message says which', () => {
  const mails = { ...declared.mails, 'receipt-ready': ['link'] }
  assert.throws(() => loadTemplates({ ...declared, mails }), {
    message: /^the email receipt-ready has no en\/receipt-ready\.txt/,
  })
})
