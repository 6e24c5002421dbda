import type { Locale } from '../locales.ts'
import { words } from './account-pages-words.ts'
import { html } from './html.ts'
import type { Html, PageScript } from './html.ts'

/**
 * Shows what was typed into a password field. Without a script there is no button. Submitting hides the password again,
 * because browsers remember the texts of visible fields.
 */
export const showScript: PageScript = {
  text: `
for (const button of document.querySelectorAll('[data-shows]')) {
  const fields = button.dataset.shows.split(' ').map(id => document.getElementById(id))
  const show = isShown => {
    for (const field of fields) field.type = isShown ? 'text' : 'password'
    const { show, hide } = button.dataset
    button.textContent = isShown ? hide : show
  }
  button.hidden = false
  button.addEventListener('click', () => show(fields[0].type === 'password'))
  button.form.addEventListener('submit', () => show(false))
}
`,
}

/** The button for the fields with these ids. */
export const showButton = (ids: readonly string[], locale: Locale): Html => {
  const { show, hide } = words[locale]
  return html`<button
    type="button"
    class="quiet"
    data-shows="${ids.join(' ')}"
    data-show="${show}"
    data-hide="${hide}"
    aria-controls="${ids.join(' ')}"
    aria-describedby="${ids[0]}-label"
    hidden
  >
    ${show}
  </button>`
}
