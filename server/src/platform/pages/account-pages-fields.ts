import type { Locale } from '../locales.ts'
import type { FieldError, Problem } from '../problems.ts'
import { words } from './account-pages-words.ts'
import { html } from './html.ts'
import type { Html } from './html.ts'

/** The fields of the account pages, their faults, and the links that are offered afterwards. */

/** Links that are shown after the button was pressed. */
export interface Offered {
  text: string
  links: readonly { text: string; href: string }[]
}

/** The faults of the fields, such as a wrong password; undefined for a problem that the user cannot fix in the form. */
export function faultsOf({ code, errors }: Problem, locale: Locale): readonly FieldError[] | undefined {
  const { wrongPassword, wrongCode, wrongPasskey, missingPassword, missingCode } = words[locale]
  if (code === 'invalid-credentials') return [{ pointer: '/password', detail: wrongPassword }]
  if (code === 'invalid-code') return [{ pointer: '/code', detail: wrongCode }]
  if (code === 'invalid-passkey' || code === 'user-not-verified') return [{ pointer: '/passkey', detail: wrongPasskey }]
  if (code !== 'invalid-fields') return errors
  return errors?.map(({ pointer, detail }) => {
    if (pointer === '/proof') return { pointer, detail: missingCode }
    return pointer === '/password' ? { pointer, detail: missingPassword } : { pointer, detail }
  })
}

/** Password managers store it with the address. No maxlength, because browsers truncate pasted text silently. */
export const newPasswords = (email: string, locale: Locale): Html =>
  html`<input type="email" autocomplete="username" value="${email}" readonly hidden />
    <label for="new-password">${words[locale].newPassword}</label>
    <input
      id="new-password"
      name="new_password"
      type="password"
      autocomplete="new-password"
      required
      aria-describedby="faults"
    />
    <label for="repeated-password">${words[locale].repeatedPassword}</label>
    <input id="repeated-password" name="repeated_password" type="password" autocomplete="new-password" required />`

export const presentPassword = (email: string, locale: Locale): Html =>
  html`<input type="email" autocomplete="username" value="${email}" readonly hidden />
    <label for="password">${words[locale].password}</label>
    <input
      id="password"
      name="password"
      type="password"
      autocomplete="current-password"
      required
      aria-describedby="faults"
    />`

export const codeField = (locale: Locale): Html =>
  html`<label for="code">${words[locale].code}</label>
    <input id="code" name="code" autocomplete="one-time-code" required aria-describedby="faults" />`

export const linkList = ({ text, links }: Offered): Html =>
  html`${text !== '' && html`<p>${text}</p>`}
    <ul>
      ${links.map(({ text: name, href }) => html`<li><a href="${href}">${name}</a></li>`)}
    </ul>`

export const faultList = (id: string, faults: readonly string[]): Html =>
  faults.length === 0
    ? html``
    : html`<div class="errors" role="alert" id="${id}">
        <ul>
          ${faults.map(fault => html`<li>${fault}</li>`)}
        </ul>
      </div>`
