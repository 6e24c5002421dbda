import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import type { TSchema } from 'typebox'
import { createTestApp } from '../../../test/test-app.ts'
import type { Person } from '../../../test/test-app.ts'
import { systemFor, systemRunnerOf } from '../../platform/database/runners.ts'
import { eventKind } from '../../platform/mail/mails.ts'
import { issueToken, openToken } from '../../platform/tokens/one-time-tokens.ts'
import type { NewToken } from '../../platform/tokens/one-time-tokens.ts'
import { recordEvent } from '../history/history.ts'
import { composeMail, withTemplates } from './compose.ts'

// These tests compose what the worker would send: mailTo() of the test app calls composeMail.

const { admin, database, mailTo, services, signUp } = await createTestApp()
const { declared } = services
const key = services.keys.oneTime
const origin = { request_id: 'test', ip: '192.0.2.7', user_agent: 'curl/8.5.0' }
const PAGES = 'http://localhost:8000/account'

type Issued = Omit<NewToken<TSchema>, 'details'> & { purpose: string; details?: Readonly<Record<string, unknown>> }

const issue = ({ purpose, details = {}, ...token }: Issued): Promise<string> => {
  const kind = declared.tokens.get(purpose)
  assert.ok(kind, purpose)
  return systemRunnerOf(database.system, { origin }).run(issueToken(kind, { mailed: true, details, ...token }))
}
const tell = (type: string, user_id: string, details = {}, from = origin) =>
  systemRunnerOf(database.system, { origin: { ...from, user_id } }).run(
    recordEvent(eventKind(type, { mailed: declared.events.get(type)?.mailed ?? false }), user_id, null, details),
  )
const strangerOf = () => `nobody-${randomUUID()}@example.com`

/** A person whose mails so far, those of the sign-up, are read. */
async function createPerson(changes: Record<string, unknown> = {}): Promise<Person> {
  const person = await signUp()
  await mailTo(person.email)
  const columns = Object.entries({ email_verified_at: new Date(), ...changes })
  const assignments = columns.map(([column], index) => `${column} = $${index + 2}`)
  await admin.query(`update users set ${assignments.join()} where id = $1`, [
    person.user_id,
    ...columns.map(([, value]) => value),
  ])
  return person
}

/** The one mail to an address. */
async function theMailTo(email: string) {
  const [mail, ...others] = await mailTo(email)
  assert.ok(mail, `no mail to ${email}`)
  assert.equal(others.length, 0)
  return mail
}

const rowOf = async (id: string) => (await admin.query(`select * from one_time_tokens where id = $1`, [id])).rows[0]

// Red when: the link contains anything but the configured address, the purpose and the sealed token.
test('a link leads to the page of its purpose and contains only a token of that purpose', async () => {
  const { email, user_id } = await createPerson()
  const id = await issue({ purpose: 'reset-password', email })
  const { to, link, token, subject } = await theMailTo(email)
  assert.equal(to, email)
  assert.equal(subject, 'Set a new password')
  assert.equal(link, `${PAGES}/reset-password?token=${token}`)
  assert.equal(openToken(key, { purpose: 'reset-password' }, token), id)
  assert.throws(() => openToken(key, { purpose: 'verify-email' }, token), { code: 'invalid-token' })
  assert.equal((await rowOf(id)).user_id, user_id, 'now it is known whose it is')
})

// Red when: resetPassword (recovery/mails.ts) sends to an unknown address, or to a deleted account.
test('a reset is emailed only to a live account; for other addresses no email is sent, and the token has no owner', async () => {
  const stranger = strangerOf()
  const id = await issue({ purpose: 'reset-password', email: stranger })
  assert.deepEqual(await mailTo(stranger), [])
  assert.equal((await rowOf(id)).user_id, null)
  for (const state of ['disabled_at', 'deleted_at']) {
    const { email } = await createPerson({ [state]: new Date() })
    await issue({ purpose: 'reset-password', email })
    assert.deepEqual(await mailTo(email), [], state)
  }
})

// Red when: decide() calls the email of another purpose, or account-exists contains the token.
test('signing up with a known address emails its owner that the account exists, without a link to create another', async () => {
  const stranger = strangerOf()
  await issue({ purpose: 'sign-up', email: stranger, details: { full_name: 'Eve', password_hash: 'x' } })
  const fresh = await theMailTo(stranger)
  assert.equal(fresh.link, `${PAGES}/sign-up?token=${fresh.token}`)
  assert.doesNotMatch(fresh.text, /Eve/, 'the person who typed the address cannot put words into our email')

  const { email } = await createPerson({ given_name: 'Ann' })
  await issue({ purpose: 'sign-up', email, details: { full_name: 'Eve' } })
  const known = await theMailTo(email)
  assert.equal(known.subject, 'You already have an account with Freehold')
  assert.equal(known.link, `${PAGES}/reset-password`)
  assert.match(known.text, /^Hello Ann,\n\nSomeone, perhaps you, tried to sign up/)

  const leaving = await createPerson({ deleted_at: new Date() })
  await issue({ purpose: 'sign-up', email: leaving.email })
  assert.match((await theMailTo(leaving.email)).text, /about to be deleted\. Until then you can restore it/)
})

// Red when: verifyEmail (accounts/mails.ts) ignores email_verified, or repeatSignUp uses the newest of several.
test('requesting the verification email again', async () => {
  const { email, user_id } = await createPerson({ email_verified_at: null, given_name: 'Ann' })
  const id = await issue({ purpose: 'verify-email', email })
  const { link, token, text } = await theMailTo(email)
  assert.equal(link, `${PAGES}/verify-email?token=${token}`)
  assert.doesNotMatch(text, /Ann/, 'no name is shown at an address that may belong to someone else')
  assert.equal((await rowOf(id)).user_id, user_id)

  const confirmed = await createPerson()
  await issue({ purpose: 'verify-email', email: confirmed.email })
  await issue({ purpose: 'verify-email', user_id: confirmed.user_id, email: 'former@example.com' })
  assert.deepEqual(await mailTo(confirmed.email), [])

  const stranger = strangerOf()
  await issue({ purpose: 'verify-email', email: stranger })
  assert.deepEqual(await mailTo(stranger), [])
  const pending = await issue({ purpose: 'sign-up', email: stranger })
  await theMailTo(stranger)
  await issue({ purpose: 'verify-email', email: stranger })
  assert.equal(
    openToken(key, { purpose: 'sign-up' }, (await theMailTo(stranger)).token),
    pending,
    'the sign-up under way',
  )
  // The reader of the email chooses the password, no matter who requested the sign-up.
  const latest = await issue({ purpose: 'sign-up', email: stranger })
  await theMailTo(stranger)
  await issue({ purpose: 'verify-email', email: stranger })
  assert.equal(openToken(key, { purpose: 'sign-up' }, (await theMailTo(stranger)).token), latest)
})

// Red when: change-email is sent to the old address, or a taken address is not looked up.
test('a new address gets the link, and a taken one gets only a notice', async () => {
  const { email: old_email, user_id } = await createPerson({ given_name: 'Ann' })
  const email = strangerOf()
  await issue({ purpose: 'change-email', user_id, email, details: { old_email } })
  const { link, token, text } = await theMailTo(email)
  assert.equal(link, `${PAGES}/change-email?token=${token}`)
  assert.doesNotMatch(text, /Ann/)

  const other = await createPerson({ given_name: 'Bob' })
  await issue({ purpose: 'change-email', user_id, email: other.email, details: { old_email } })
  const taken = await theMailTo(other.email)
  assert.match(taken.text, /^Hello Bob,\n\nSomeone asked to use this address for another account/)
  assert.equal(taken.token, '')
  await issue({ purpose: 'change-email', user_id, email: old_email, details: { old_email } })
  assert.deepEqual(await mailTo(old_email), [], 'the same address is no change')
})

// Red when: a feature omits its tokenMails, or restoring is offered for accounts that are not deleted.
test('emails about a lock, a deletion and an invitation reach the user concerned', async () => {
  const locked = await createPerson()
  await issue({ purpose: 'unlock', user_id: locked.user_id })
  const lock = await theMailTo(locked.email)
  assert.equal(lock.subject, 'Signing in to your account is locked')
  assert.equal(lock.link, `${PAGES}/unlock?token=${lock.token}`)

  const leaving = await createPerson({ deleted_at: new Date() })
  await issue({ purpose: 'restore-account', user_id: leaving.user_id, email: leaving.email })
  assert.equal((await theMailTo(leaving.email)).subject, 'Your account is about to be deleted')
  await issue({ purpose: 'restore-account', user_id: locked.user_id })
  assert.deepEqual(await mailTo(locked.email), [])
  await admin.query('update users set erased_at = now() where id = $1', [leaving.user_id])
  await issue({ purpose: 'restore-account', user_id: leaving.user_id })
  assert.deepEqual(await mailTo(leaving.email), [])

  const owner = await signUp('Hooli <i>www.evil.example')
  await admin.query('update users set email_verified_at = now() where id = $1', [owner.user_id])
  await admin.query('update users set full_name = $2 where id = $1', [owner.user_id, 'Gavin\r\n{{link}}'])
  const guest = strangerOf()
  const invite = () =>
    owner.call('POST', `/api/v1/organizations/${owner.organization_id}/invitations`, { email: guest, role: 'member' })
  const { body, status } = await invite()
  assert.equal(status, 202)
  const invitation = await theMailTo(guest)
  assert.equal(invitation.link, `${PAGES}/invitation?token=${invitation.token}`)
  assert.match(
    invitation.text,
    /^Hello,\n\nGavin \{\{link\}\} invites you to join Hooli <i>www\.\u2060evil\.\u2060example on Freehold\./,
  )
  assert.doesNotMatch(invitation.text + invitation.html + invitation.subject, /evil\.example/, 'a name is no link')
  await invite()
  await owner.call('DELETE', `/api/v1/organizations/${owner.organization_id}/invitations/${body.id}`)
  assert.deepEqual(await mailTo(guest), [], 'taken back before it was sent')
})

// Red when: `spendable` checks neither used_at nor expires_at.
test('no email is sent for a spent, expired or unknown token', async () => {
  const { email } = await createPerson()
  const spent = await issue({ purpose: 'reset-password', email })
  await admin.query('update one_time_tokens set used_at = now() where id = $1', [spent])
  await issue({ purpose: 'reset-password', email, seconds: -1 })
  assert.deepEqual(await mailTo(email), [])
  const complete = withTemplates(services)
  for (const job of [{ token_id: randomUUID() }, { event_id: randomUUID() }, {}])
    assert.equal(await composeMail(systemFor(database, 'mail'), complete, job), undefined)
})

// Red when: claim() counts unsent emails or itself, takes no lock, or looks further back than an hour.
test('an address gets at most five emails of a purpose per hour from one sender, even if ten are composed at once', async () => {
  // With enough connections to run concurrently.
  const { database, services } = await createTestApp({ DATABASE_POOL_SIZE: '40' })
  const system = systemFor(database, 'mail')
  const { email } = await createPerson()
  const ids = await Promise.all(Array.from({ length: 10 }, () => issue({ purpose: 'reset-password', email })))
  const complete = withTemplates(services)
  const composeAll = () => Promise.all(ids.map(token_id => composeMail(system, complete, { token_id })))
  const first = await composeAll()
  assert.equal(first.filter(mail => mail !== undefined).length, 5)
  assert.deepEqual(await composeAll(), first, 'a retry sends what was to be sent, and no more')
  await issue({ purpose: 'sign-up', email })
  assert.ok(
    (await mailTo(email)).some(({ subject }) => subject.startsWith('You already have')),
    'another purpose',
  )
  await admin.query(
    `update one_time_tokens set details = details || '{"mailed_at": "2020-01-01T00:00:00Z"}' where email = $1 and purpose = 'reset-password' and details ? 'mailed_at'`,
    [email],
  )
  const later = await issue({ purpose: 'reset-password', email })
  assert.ok(await composeMail(system, complete, { token_id: later }))
})

/** As if the request came from this client address. */
const issueFrom = (ip: string, token: Issued): Promise<string> => {
  const kind = declared.tokens.get(token.purpose)
  assert.ok(kind, token.purpose)
  const system = systemRunnerOf(database.system, { origin: { ...origin, ip } })
  return system.run(issueToken(kind, { mailed: true, details: {}, ...token }))
}

// Red when: claim() counts the requests of other senders, or drops an email although there is no working link.
test('no client can use up the quota of another, and each has a link that works', async () => {
  const { email } = await createPerson()
  const purpose = 'reset-password'
  const mailsFrom = async (ip: string, count: number) => {
    for (let time = 0; time < count; time++) await issueFrom(ip, { purpose, email })
    return (await mailTo(email)).length
  }
  assert.equal(await mailsFrom('192.0.2.1', 7), 5)
  assert.equal(await mailsFrom('192.0.2.2', 1), 1, 'another client')
  // An IPv6 network is one client, and an unknown address is one too.
  assert.equal(await mailsFrom('2001:db8::1', 3), 3)
  assert.equal(await mailsFrom('2001:db8::ffff:2', 4), 2)
  assert.equal(await mailsFrom('2001:db8:0:1::2', 1), 1)
  assert.equal(await mailsFrom('', 1), 1)
  // Thirteen were sent in total; after the twentieth none is sent while any link is valid.
  assert.equal(await mailsFrom('192.0.2.3', 5), 5)
  assert.equal(await mailsFrom('192.0.2.4', 5), 2)
  assert.equal(await mailsFrom('192.0.2.5', 5), 0)
  // Once the links are used or expired, the next email is sent.
  await admin.query(`update one_time_tokens set used_at = now() where email = $1`, [email])
  assert.equal(await mailsFrom('192.0.2.1', 1), 1)
  await admin.query(`update one_time_tokens set expires_at = now() where email = $1`, [email])
  assert.equal(await mailsFrom('192.0.2.1', 1), 1)
})

// Red when: the trigger mail_quota is omitted, or a route drops instead of refusing.
test('a signed-in user gets an error when a quota is used up, and the last link stays valid', async () => {
  const person = await createPerson()
  const new_email = strangerOf()
  const ask = () =>
    person.call('POST', '/api/v1/auth/change-email', { new_email, proof: { password: person.password } })
  for (let time = 0; time < 5; time++) assert.equal((await ask()).status, 202)
  const refused = await ask()
  assert.deepEqual([refused.status, refused.body.code, refused.headers['retry-after']], [429, 'rate-limited', '3600'])
  const [mail, ...more] = await mailTo(new_email)
  assert.equal(more.length, 0)
  assert.equal((await rowOf(openToken(key, { purpose: 'change-email' }, mail!.token))).used_at, null)
  const other = await createPerson()
  const askAs = ({ call, password }: typeof other) =>
    call('POST', '/api/v1/auth/change-email', { new_email, proof: { password } })
  assert.equal((await askAs(other)).status, 429, 'another account of the same client')
  await admin.query(`update one_time_tokens set client = 'client 192.0.2.9' where email = $1`, [new_email])
  assert.equal((await askAs(other)).status, 202)
  assert.equal((await mailTo(new_email)).length, 1, 'another user’s')
  // Of all together there are twenty, also for one who has asked for none.
  await admin.query(
    `insert into one_time_tokens (purpose, email, expires_at, sender)
      select 'change-email', $1, now(), 'user ' || n from generate_series(1, 14) n`,
    [new_email],
  )
  assert.equal((await askAs(await createPerson())).status, 429)
})

// Red when: keep_mail_quota() counts before it holds the lock.
test('users of one client who write to an address at once share its quota', async () => {
  const { signUp } = await createTestApp({ DATABASE_POOL_SIZE: '20' })
  const new_email = strangerOf()
  const people = await Promise.all(Array.from({ length: 10 }, () => signUp()))
  const answers = await Promise.all(
    people.map(({ call, password }) => call('POST', '/api/v1/auth/change-email', { new_email, proof: { password } })),
  )
  assert.equal(answers.filter(({ status }) => status === 202).length, 5)
})

// Red when: the order of locales changes.
test('an email is in the user’s language, else in that of the request, else in the default', async () => {
  const subjectOf = async (locale: string | null, details: Record<string, unknown>) => {
    const { email } = await createPerson({ locale })
    await issue({ purpose: 'reset-password', email, details })
    return (await theMailTo(email)).subject
  }
  assert.equal(await subjectOf('de', { locale: 'en' }), 'Legen Sie ein neues Passwort fest')
  assert.equal(await subjectOf(null, { locale: 'de' }), 'Legen Sie ein neues Passwort fest')
  assert.equal(await subjectOf(null, { locale: 'fr' }), 'Set a new password')
  const german = await createTestApp({
    DEFAULT_LOCALE: 'de',
    APP_NAME: 'Käsehaus',
    ACCOUNT_PAGES_URL: 'http://localhost:3000/konto/',
  })
  const stranger = strangerOf()
  await issue({ purpose: 'sign-up', email: stranger })
  const [mail] = await german.mailTo(stranger)
  assert.equal(mail?.subject, 'Schließen Sie Ihre Registrierung bei Käsehaus ab')
  assert.match(mail!.link, /^http:\/\/localhost:3000\/konto\/sign-up\?token=/)
  assert.match(mail!.text, /, bis \d+\. \p{L}+ 20\d\d um \d\d:\d\d Uhr UTC\./u)
})

// Red when: a feature does not declare its event as mailed, or the button does not lead to the reset page.
test('every security event of the list is emailed to the user, with time, address and device', async () => {
  const { email, user_id } = await createPerson({ given_name: 'Ann' })
  const types = [
    'password-changed',
    'password-reset',
    'totp-added',
    'totp-removed',
    'recovery-codes-made',
    'recovery-code-used',
    'passkey-added',
    'passkey-removed',
    'identity-linked',
    'identity-unlinked',
    'refresh-token-reused',
    'second-factor-locked',
  ]
  for (const type of types) await tell(type, user_id, { provider: 'github' })
  await tell('login-failed', user_id)
  const mails = await mailTo(email)
  assert.equal(mails.length, types.length)
  for (const { text, link, token } of mails) {
    assert.match(text, /^Hello Ann,\n\n/)
    assert.match(text, /When: \d+ \w+ 20\d\d at \d\d:\d\d UTC\nAddress: 192\.0\.2\.7\nDevice: curl\n/)
    assert.equal(link, `${PAGES}/reset-password`)
    assert.equal(token, '')
  }
  assert.match(mails[types.indexOf('identity-linked')]!.text, /An account with GitHub was linked/)
})

// Red when: toFormerAddress is omitted from one of these two, or draftOfEvent requires a live account.
test('the former address gets a notice of its change, and even a deleted account gets notices', async () => {
  const { email: old_email, user_id } = await createPerson({ given_name: 'Ann' })
  const new_email = strangerOf()
  const token_id = await issue({ purpose: 'change-email', user_id, email: new_email, details: { old_email } })
  await tell('email-change-requested', user_id, { token_id })
  await admin.query('update users set email = $2 where id = $1', [user_id, new_email])
  await tell('email-changed', user_id, { token_id })
  const [requested, changed, ...others] = await mailTo(old_email)
  assert.equal(others.length, 0)
  assert.match(requested!.text, new RegExp(`asked to change its address to ${new_email}\\.`))
  assert.match(changed!.text, new RegExp(`now has the address ${new_email}\\.`))
  assert.match(
    changed!.text,
    /write to the operators of Freehold without delay, from this address\. You can reach them at http:\/\/localhost:8000$/m,
  )
  assert.deepEqual(await mailTo(new_email), [])

  const closed = await createPerson({ disabled_at: new Date(), deleted_at: new Date() })
  await tell('password-changed', closed.user_id)
  assert.equal((await mailTo(closed.email)).length, 1)
  await tell('password-changed', closed.user_id)
  await admin.query('update users set erased_at = now() where id = $1', [closed.user_id])
  assert.deepEqual(await mailTo(closed.email), [])
})

// Red when: a job row contains anything but ids.
test('a job in the queue contains only ids', async () => {
  const { email, user_id } = await createPerson()
  await issue({ purpose: 'reset-password', email })
  await tell('password-changed', user_id)
  const { rows } = await admin.query<{ data: object }>(`select data from freehold_jobs.job where name = 'mail'`)
  assert.ok(rows.length >= 2)
  for (const { data } of rows) assert.match(JSON.stringify(data), /^\{"(token|event)_id": ?"[0-9a-f-]{36}"\}$/)
})
