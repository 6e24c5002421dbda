import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { enrolApp } from '../../../test/browsers/authenticator-app.ts'
import type { Authenticator as App } from '../../../test/browsers/authenticator-app.ts'
import { createAuthenticator } from '../../../test/browsers/authenticator.ts'
import type { Authenticator as Passkey } from '../../../test/browsers/authenticator.ts'
import { createBentProvider } from '../../../test/browsers/bent-provider.ts'
import { openTestApp } from '../../../test/browsers/provider-browser.ts'
import { PASSWORD } from '../../../test/test-app.ts'
import type { Answer, Person } from '../../../test/test-app.ts'
import { isChange } from '../changes/changes.ts'

// Every kind of change that can be undone, against whatever else can be done to the account before its owner reads the mail.

const FRONTEND = 'http://localhost:3998'
const bent = await createBentProvider()
const { clientId: client_id, clientSecret: client_secret } = bent
const providers = JSON.stringify([{ name: 'bent', issuer: bent.url, client_id, client_secret }])
// By a name: a passkey is of a site that has one.
const app = await openTestApp(() => ({ FRONTEND_URL: FRONTEND, OIDC_PROVIDERS: providers }), 'localhost')
const { admin, call, mailTo } = app
const auth = '/api/v1/auth'

let passwords = 0
const newPassword = () => `Brand-new-zebra-${++passwords + 100}`
const newAddress = () => `undo-${randomUUID()}@example.com`
const undo = (token: string, proof?: object) => call('POST', `${auth}/undo`, { token, ...(proof && { proof }) })
const expect = (answer: Answer, status: number, what = ''): Answer => {
  assert.equal(answer.status, status, `${what}: ${answer.text}`)
  return answer
}

/** An account, and who holds what of it. `person` is the session of the moment. */
interface Account {
  owner: Person
  person: Person
  email: string
  password: string
  /** The second factors that the account has now, of whomever they are. */
  passkey?: Passkey & { row_id: string }
  app?: App
  /** What the owner had before the change. */
  before: { passkey?: Passkey; app?: App }
}

async function newAccount(prepare: (account: Account) => Promise<unknown> = async () => {}): Promise<Account> {
  const owner = await app.signUp()
  await app.verify(owner)
  const account: Account = { owner, person: owner, email: owner.email, password: PASSWORD, before: {} }
  await prepare(account)
  account.before = { ...(account.passkey && { passkey: account.passkey }), ...(account.app && { app: account.app }) }
  await mailTo(owner.email)
  return account
}

const answer = async (passkey: Passkey, asked: Promise<Answer>) => {
  const { challenge_token, options } = (await asked).body
  return { passkey: { challenge_token, response: passkey.get(options) } }
}

/** What proves a change in a session: a second factor where there is one. */
async function proofOf({ person, passkey, app: own, password }: Account): Promise<object> {
  if (passkey !== undefined) return answer(passkey, person.call('POST', `${auth}/step-up/passkey-options`))
  return own === undefined ? { password } : { code: await own.next() }
}

/** What the owner gives when they undo. */
async function undoingProof({ owner, before }: Account, token: string): Promise<object | undefined> {
  const { asks_second_factor } = (await call('POST', `${auth}/undo/preview`, { token })).body
  if (!asks_second_factor) return undefined
  if (before.passkey !== undefined)
    return answer(before.passkey, call('POST', `${auth}/undo/passkey-options`, { token }))
  // A code of an app that is kept as well, without waiting for a new one.
  await admin.query(
    `update one_time_tokens set details = jsonb_set(details, '{kept,totp_factors,0,last_step}', 'null')
      where user_id = $1 and details #> '{kept,totp_factors,0}' is not null`,
    [owner.user_id],
  )
  return before.app && { code: await before.app.next() }
}

async function addPasskey(account: Account): Promise<void> {
  const passkey = createAuthenticator(app.publicUrl)
  const { challenge_token, options } = (await account.person.call('POST', `${auth}/passkeys/registration-options`)).body
  const given = { challenge_token, name: 'Key', response: passkey.create(options), proof: await proofOf(account) }
  const added = expect(await account.person.call('POST', `${auth}/passkeys`, given), 201)
  account.passkey = { ...passkey, row_id: added.body.id }
}

async function removePasskey(account: Account, proof?: object): Promise<void> {
  const given = { proof: proof ?? (await proofOf(account)) }
  expect(await account.person.call('DELETE', `${auth}/passkeys/${account.passkey!.row_id}`, given), 204)
  delete account.passkey
}

const addApp = async (account: Account): Promise<void> => {
  account.app = await enrolApp(app, account.person, await proofOf(account))
}

async function removeApp(account: Account, proof?: object): Promise<void> {
  expect(await account.person.call('DELETE', `${auth}/mfa/totp`, { proof: proof ?? (await proofOf(account)) }), 204)
  delete account.app
}

async function makeCodes(account: Account): Promise<void> {
  expect(await account.person.call('POST', `${auth}/mfa/recovery-codes`, { proof: await proofOf(account) }), 200)
}

async function linkProvider(account: Account): Promise<void> {
  const sub = randomBytes(8).toString('hex')
  bent.behave({ claims: { sub, email: `${sub}@example.com`, email_verified: true } })
  const browser = app.newBrowser()
  const begun = await browser.open(`${app.publicUrl}/api/v1/oauth/bent/link`, {
    method: 'POST',
    headers: { authorization: `Bearer ${account.person.access_token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ proof: await proofOf(account) }),
  })
  expect(await browser.follow(begun.body.authorization_url, FRONTEND), 201)
}

async function unlinkProvider(account: Account): Promise<void> {
  const { items } = (await account.person.call('GET', '/api/v1/oauth/identities')).body
  const given = { proof: await proofOf(account) }
  expect(await account.person.call('DELETE', `/api/v1/oauth/identities/${items[0].id}`, given), 204)
}

async function changeAddress(account: Account): Promise<void> {
  const new_email = newAddress()
  const given = { new_email, proof: await proofOf(account) }
  expect(await account.person.call('POST', `${auth}/change-email`, given), 202)
  expect(await call('POST', `${auth}/verify-email`, { token: (await mailTo(new_email)).at(-1)!.token }), 200)
  account.email = new_email
}

async function changePassword(account: Account): Promise<void> {
  const new_password = newPassword()
  const proof = account.passkey === undefined && account.app === undefined ? {} : { proof: await proofOf(account) }
  const given = { current_password: account.password, new_password, ...proof }
  expect(await account.person.call('POST', `${auth}/change-password`, given), 204)
  account.password = new_password
}

async function signIn(account: Account): Promise<void> {
  const { email, password, passkey, app: own } = account
  let { body } = await call('POST', `${auth}/login`, { email, password })
  if (body.code === 'mfa-required') {
    const { mfa_token } = body
    const asked = () => call('POST', `${auth}/mfa/passkey-options`, { mfa_token })
    const factor = passkey === undefined ? { code: await own!.next() } : await answer(passkey, asked())
    body = expect(await call('POST', `${auth}/mfa/verify`, { mfa_token, ...factor }), 200).body
  }
  const authorization = `Bearer ${body.access_token}`
  account.person = {
    ...account.person,
    access_token: body.access_token,
    call: (method, path, payload, headers = {}) => call(method, path, payload, { authorization, ...headers }),
  }
}

/** Each kind of change, made by the current holder of the account; and what its owner had before. */
const changes: {
  kind: string
  prepare?: (account: Account) => Promise<unknown>
  make: (account: Account) => Promise<unknown>
}[] = [
  { kind: 'email-changed', make: changeAddress },
  { kind: 'password-changed', make: changePassword },
  { kind: 'passkey-added', make: addPasskey },
  { kind: 'passkey-added', prepare: addApp, make: addPasskey },
  { kind: 'passkey-removed', prepare: addPasskey, make: removePasskey },
  { kind: 'totp-added', make: addApp },
  { kind: 'totp-added', prepare: addPasskey, make: addApp },
  { kind: 'totp-removed', prepare: addApp, make: removeApp },
  { kind: 'recovery-codes-made', prepare: addApp, make: makeCodes },
  { kind: 'identity-linked', make: linkProvider },
  { kind: 'identity-unlinked', prepare: linkProvider, make: unlinkProvider },
]

/** What an account is signed in to with, beside its password. */
async function methodsOf({ user_id }: Person): Promise<string[]> {
  const { rows } = await admin.query<{ id: string }>(
    `select 'address ' || email as id from users where id = $1 union all select 'passkey ' || id from passkeys where user_id = $1
      union all select 'app ' || id from totp_factors where user_id = $1 and confirmed_at is not null
      union all select 'identity ' || id from identities where user_id = $1
      union all select 'code ' || encode(code_hash, 'hex') from recovery_codes where user_id = $1 and used_at is null order by 1`,
    [user_id],
  )
  return rows.map(({ id }) => id)
}

/** The mails to an address that have a link which undoes something, since they were last read. */
const undoMails = async (email: string) =>
  (await mailTo(email)).filter(({ link }) => link.includes('/account/undo?token='))

/** What can be done to an account after the change. */
const operations: Record<string, (account: Account) => Promise<unknown>> = {
  'the address is changed': changeAddress,
  'the password is changed': changePassword,
  'all sessions are revoked': async account => {
    expect(await account.person.call('POST', `${auth}/logout-all`), 204)
    await signIn(account)
  },
  'the password is reset': async account => {
    await call('POST', `${auth}/password-reset`, { email: account.email })
    const { token } = (await mailTo(account.email)).findLast(({ link }) => link.includes('/reset-password?token='))!
    account.password = newPassword()
    expect(await call('POST', `${auth}/password-reset/complete`, { token, new_password: account.password }), 204)
    await signIn(account)
  },
  'the account is deleted': async ({ person }) => expect(await person.call('DELETE', '/api/v1/users/me'), 204),
  'the account is disabled': ({ owner }) =>
    admin.query('update users set disabled_at = now() where id = $1', [owner.user_id]),
  'the account is restored': async ({ owner, email }) => {
    await admin.query('update users set disabled_at = null where id = $1', [owner.user_id])
    const { token } = (await mailTo(email)).findLast(({ link }) => link.includes('/restore-account?token='))!
    expect(await call('POST', `${auth}/restore-account`, { token }), 204)
  },
}

// Red when: undoToken loses `survivesDeletion`, or gains an `endsWith…`; takeBack or restoreEmail looks at live accounts
// alone; or a second factor of a deleted account is not verified.
test('a change can be undone whatever was done to the account since: changed, reset, deleted, restored', async () => {
  const kinds = [...app.services.declared.events.values()].filter(isChange).map(({ type }) => type)
  assert.deepEqual([...new Set(changes.map(({ kind }) => kind))].sort(), kinds.sort(), 'each kind is tried')
  for (const { kind, prepare, make } of changes) {
    for (const last of ['the account is disabled', 'the account is restored']) {
      const account = await newAccount(prepare)
      const methods = await methodsOf(account.owner)
      await make(account)
      const { token } = (await undoMails(account.owner.email)).at(-1)!
      for (const [name, operation] of Object.entries(operations)) {
        await operation(account)
        const preview = await call('POST', `${auth}/undo/preview`, { token })
        assert.deepEqual([preview.status, preview.body.change], [200, kind], `${kind}, ${name}: ${preview.text}`)
        if (name === last) break
      }
      expect(await undo(token, await undoingProof(account, token)), 204, `${kind}, ${last}`)
      const own = new Set(
        methods.filter(id => !id.startsWith('code ') && (kind === 'email-changed' || !id.startsWith('address '))),
      )
      assert.deepEqual(
        [...own.difference(new Set(await methodsOf(account.owner)))],
        [],
        `${kind}: what was there before`,
      )
    }
  }
})

// Red when: restoreAccountToken loses `followsAddress`, reissueTokens is left out of undoing a change of address, or the hold on an address ends with a token.
test('a thief who changes the address and deletes the account keeps neither the address nor the way to restore it', async () => {
  const account = await newAccount()
  const { owner } = account
  await changeAddress(account)
  const { token } = (await undoMails(owner.email)).at(-1)!
  await operations['the account is deleted']!(account)
  const theirs = (await mailTo(account.email)).findLast(({ link }) => link.includes('/restore-account?token='))!
  const taken = await call('POST', `${auth}/signup`, { email: owner.email, password: PASSWORD })
  assert.equal(taken.body.code, 'email-taken', 'the owner’s address is not free meanwhile')
  assert.equal((await undo(token)).status, 204)
  assert.equal((await call('POST', `${auth}/restore-account`, { token: theirs.token })).body.code, 'invalid-token')
  const own = (await mailTo(owner.email)).findLast(({ link }) => link.includes('/restore-account?token='))!
  expect(await call('POST', `${auth}/restore-account`, { token: own.token }), 204)
  assert.equal((await call('POST', `${auth}/login`, { email: owner.email, password: PASSWORD })).status, 200)
  // No account has the other address any more.
  expect(await call('POST', `${auth}/signup`, { email: account.email, password: PASSWORD }), 201)
})

// Red when: voidPassword looks at live accounts alone.
test('a password that a thief sets before they delete the account is void once the change is undone', async () => {
  const account = await newAccount()
  await changePassword(account)
  const { token } = (await undoMails(account.owner.email)).at(-1)!
  await operations['the account is deleted']!(account)
  expect(await undo(token), 204)
  await operations['the account is restored']!(account)
  const { email, password } = account
  assert.equal((await call('POST', `${auth}/login`, { email, password })).status, 401)
})

// Red when: readdressChanges changes the rows instead of replacing them, or enqueues no mails.
test('with the address go the links that the other mailbox has got: the mails come again, to the restored address', async () => {
  for (const { kind, prepare, make } of changes.filter(change => change.kind !== 'email-changed')) {
    const account = await newAccount(prepare)
    const { owner } = account
    await changeAddress(account)
    const address = (await undoMails(owner.email)).at(-1)!
    await make(account)
    const [theirs, ...others] = await undoMails(account.email)
    assert.deepEqual(others, [])
    expect(await undo(address.token, await undoingProof(account, address.token)), 204, kind)
    assert.equal((await undo(theirs!.token)).body.code, 'invalid-token', kind)
    const [own, ...more] = await undoMails(owner.email)
    assert.deepEqual(
      [own?.subject, own?.text.replace(own.token, ''), more.length],
      [theirs!.subject, theirs!.text.replace(theirs!.token, ''), 0],
    )
    expect(await undo(own!.token, await undoingProof(account, own!.token)), 204, kind)
  }
})

// Red when: the token that is issued in the place of another forgets the one that the event names.
test('the mail about a change comes again as often as an address is given back', async () => {
  const account = await newAccount()
  const links: string[] = []
  for (let time = 0; time < 2; time++) {
    const from = account.email
    await changeAddress(account)
    links.unshift((await undoMails(from)).at(-1)!.token)
  }
  await linkProvider(account)
  for (const token of links) expect(await undo(token), 204)
  const [own] = await undoMails(account.owner.email)
  expect(await undo(own!.token), 204)
  assert.deepEqual(await methodsOf(account.owner), [`address ${account.owner.email}`])
})

const orders = <Item>(items: readonly Item[]): Item[][] =>
  items.length < 2
    ? [[...items]]
    : items.flatMap((item, index) => orders(items.toSpliced(index, 1)).map(others => [item, ...others]))

/** Uses up the codes that came with the first factor, so that the next factor brings new ones. */
const withoutCodes = async (account: Account) => {
  await addPasskey(account)
  await admin.query('update recovery_codes set used_at = now() where user_id = $1', [account.owner.user_id])
}

/** What a phisher adds and removes, in sequences after which their own would come back. */
const sequences: {
  prepare?: (account: Account) => Promise<unknown>
  steps: ((account: Account) => Promise<unknown>)[]
}[] = [
  { steps: [linkProvider, unlinkProvider] },
  { steps: [addPasskey, removePasskey] },
  { steps: [addApp, removeApp] },
  { prepare: addPasskey, steps: [makeCodes, removePasskey] },
  {
    prepare: withoutCodes,
    steps: [
      addApp,
      async account => {
        const { app: theirs } = account
        await removeApp(account)
        account.app = theirs!
      },
      // With a code that came with the app.
      account => removePasskey(account, { recovery_code: account.app!.recovery_codes[0] }),
    ],
  },
]

// Red when: forgetAdded finds what is kept by `removed` alone, or leaves the codes; or deleteRecoveryCodesOf is left out of takeBack.
test('in whichever order the links are used, nothing comes back that was not there before', async () => {
  for (const [index, { prepare, steps }] of sequences.entries()) {
    for (const order of orders(steps.map((_, step) => step))) {
      const account = await newAccount(prepare)
      const methods = await methodsOf(account.owner)
      const links: string[] = []
      for (const step of steps) {
        await step(account)
        links.push((await undoMails(account.owner.email)).at(-1)!.token)
      }
      const open = new Set(order)
      // What is refused for the sake of another change is tried again after that.
      for (let round = 0; round < steps.length; round++)
        for (const step of open) {
          const done = await undo(links[step]!, await undoingProof(account, links[step]!))
          if (done.status === 204 || done.body.code === 'invalid-token') open.delete(step)
          // Of an addition and a removal of the same, undoing the addition ends the other link.
          if (steps.length === 2 && prepare === undefined && order[0] === 0)
            assert.equal(done.body?.code, step === 0 ? undefined : 'invalid-token')
        }
      const name = `sequence ${index}, order ${order.join()}`
      assert.deepEqual([...open], [], name)
      const left = new Set(await methodsOf(account.owner))
      assert.deepEqual([...left.difference(new Set(methods))], [], name)
      const lost = [...new Set(methods).difference(left)].filter(id => !id.startsWith('code '))
      assert.deepEqual(lost, [], name)
    }
  }
})
