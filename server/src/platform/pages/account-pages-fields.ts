import type { Locale } from '../locales.ts'
import type { FieldError, Problem } from '../problems.ts'
import { needsIn, words } from './account-pages-words.ts'
import { html } from './html.ts'
import type { Html, Link } from './html.ts'
import { showButton } from './show-button.ts'

/** The fields of the account pages, their faults, and the links that are offered afterwards. */

/** Links that are shown after the button was pressed. */
export interface Offered {
  text: string
  links: readonly Link[]
}

/** A field that a page asks for, by its name in the form. */
export type Asked = 'email' | 'full_name' | 'new_password' | 'password' | 'code'

/** The faults of the fields, such as a wrong password; undefined for a problem that the user cannot fix in the form. */
export function faultsOf({ code, errors }: Problem, locale: Locale): readonly FieldError[] | undefined {
  const { wrongPassword, wrongCode, wrongPasskey, missingPassword, missingCode } = words[locale]
  if (code === 'invalid-credentials') return [{ pointer: '/password', detail: wrongPassword }]
  if (code === 'invalid-code') return [{ pointer: '/code', detail: wrongCode }]
  if (code === 'invalid-passkey' || code === 'user-not-verified') return [{ pointer: '/passkey', detail: wrongPasskey }]
  if (code !== 'invalid-fields') return errors
  return errors?.map(({ pointer, detail }) => {
    if (pointer === '/proof') return { pointer: '/code', detail: missingCode }
    return pointer === '/password' ? { pointer, detail: missingPassword } : { pointer, detail }
  })
}

/** The content of a form that is shown: the values that are kept, and what is wrong with them. */
export interface Shown {
  locale: Locale
  /** The address of the account, if the page may show it. */
  account?: string | undefined
  values?: Partial<Record<Asked, string>>
  /** The faults by the field's name, as sentences in this language. */
  faults: Readonly<Partial<Record<string, readonly string[]>>>
  /** What a new password needs, as a refusal says it. */
  passwordRules: readonly string[]
}

/** Password managers store the password with this address. */
const ofAccount = ({ account }: Shown): Html =>
  html`${account !== undefined && html`<input type="email" autocomplete="username" value="${account}" readonly hidden />`}`

/** The part of a form for one field. Without maxlength, because browsers truncate pasted text silently. */
export const fieldsFor: Readonly<Record<Asked, (shown: Shown) => Html>> = {
  email: shown => {
    const value = shown.values?.email ?? ''
    return field(
      shown,
      'email',
      words[shown.locale].address,
      describe =>
        html`<input
          id="email"
          name="email"
          type="email"
          autocomplete="username"
          required
          value="${value}"
          ${describe}
        />`,
    )
  },
  full_name: shown => {
    const { fullName, optional } = words[shown.locale]
    const label = html`${fullName} <small>(${optional})</small>`
    const value = shown.values?.full_name ?? ''
    return field(
      shown,
      'full_name',
      label,
      describe => html`<input id="full_name" name="full_name" autocomplete="name" value="${value}" ${describe} />`,
    )
  },
  new_password: shown => {
    const { locale, passwordRules } = shown
    const { newPassword, repeatedPassword, notObvious } = words[locale]
    const hint = passwordRules.length === 0 ? undefined : `${needsIn(passwordRules, locale)} ${notObvious}`
    const show = showButton(['new_password', 'repeated_password'], locale)
    return html`${ofAccount(shown)}
    ${field(shown, 'new_password', newPassword, describe => secret('new_password', 'new-password', describe, show), hint)}
    ${field(shown, 'repeated_password', repeatedPassword, describe =>
      secret('repeated_password', 'new-password', describe),
    )}`
  },
  password: shown => {
    const show = showButton(['password'], shown.locale)
    return html`${ofAccount(shown)}
    ${field(shown, 'password', words[shown.locale].password, describe =>
      secret('password', 'current-password', describe, show),
    )}`
  },
  code: shown =>
    field(
      shown,
      'code',
      words[shown.locale].code,
      describe =>
        html`<input id="code" name="code" autocomplete="one-time-code" autocapitalize="none" required ${describe} />`,
    ),
}

/** Not checked for spelling: some browsers send texts elsewhere for that. */
const secret = (name: string, autocomplete: string, describe: Html, show?: Html): Html =>
  html`<div class="secret">
    <input
      id="${name}"
      name="${name}"
      type="password"
      autocomplete="${autocomplete}"
      spellcheck="false"
      autocapitalize="none"
      required
      ${describe}
    />
    ${show}
  </div>`

/** A label, the field, and its faults, or else what it takes. The first field with a fault gets the focus. */
function field(
  { faults }: Shown,
  name: string,
  label: string | Html,
  input: (describe: Html) => Html,
  hint?: string,
): Html {
  const wrong = faults[name] ?? []
  const about = wrong.length > 0 ? `${name}-fault` : hint === undefined ? undefined : `${name}-hint`
  const isFirst = Object.keys(faults)[0] === name
  const describe = html`${about !== undefined && html`aria-describedby="${about}"`}
  ${wrong.length > 0 && html`aria-invalid="true"`} ${isFirst && html`autofocus`}`
  return html`<div class="field">
    <label id="${name}-label" for="${name}">${label}</label>
    ${input(describe)}
    ${
      wrong.length > 0 &&
      html`<ul class="fault" role="alert" id="${name}-fault">
        ${wrong.map(fault => html`<li>${fault}</li>`)}
      </ul>`
    }
    ${hint !== undefined && wrong.length === 0 && html`<p class="hint" id="${name}-hint">${hint}</p>`}
  </div>`
}

export const linkList = ({ text, links }: Offered): Html =>
  html`${text !== '' && html`<p>${text}</p>`}
    <ul class="rows">
      ${links.map(({ text: name, href }) => html`<li><a href="${href}">${name}</a></li>`)}
    </ul>`

/** Faults that belong to no field that is shown. */
export const faultList = (faults: readonly string[]): Html =>
  faults.length === 0
    ? html``
    : html`<div class="errors" role="alert">${faults.map(fault => html`<p>${fault}</p>`)}</div>`
