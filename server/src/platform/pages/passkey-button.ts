import type { Locale } from '../locales.ts'
import { words } from './account-pages-words.ts'
import { html } from './html.ts'
import type { Html, PageScript } from './html.ts'

/** Answers a challenge and submits the form with it. Without a script, or in an older browser, there is no button. */
export const passkeyScript: PageScript = {
  directives: ["connect-src 'self'"],
  text: `
const button = document.getElementById('passkey-button')
if (window.PublicKeyCredential?.parseRequestOptionsFromJSON) button.hidden = false
button.addEventListener('click', async () => {
  const { form, dataset } = button
  const fault = document.getElementById('passkey-fault')
  button.disabled = fault.hidden = true
  try {
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ token: form.elements.token.value })
    const answer = await fetch(dataset.options, { method: 'POST', headers, body })
    if (!answer.ok) throw new Error(answer.status)
    const { options, challenge_token } = await answer.json()
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options)
    const credential = await navigator.credentials.get({ publicKey })
    form.elements.passkey.value = JSON.stringify({ challenge_token, response: credential.toJSON() })
    form.submit()
  } catch {
    fault.hidden = button.disabled = false
  }
})
`,
}

/** `options` is the path that the challenge comes from, for the token of the form. The answer is the field `passkey`. */
export const passkeyButton = (options: string, locale: Locale): Html =>
  html`<input type="hidden" name="passkey" />
    <p class="errors" role="alert" id="passkey-fault" hidden>${words[locale].noPasskey}</p>
    <button type="button" class="quiet" id="passkey-button" data-options="${options}" hidden>
      ${words[locale].usePasskey}
    </button>`
