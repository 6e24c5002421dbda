import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recordStatements } from '../../../test/statements.ts'
import { createTestApp } from '../../../test/test-app.ts'
import type { Answer, Person } from '../../../test/test-app.ts'

const test_ = await createTestApp()
const { signUp, verify, addMember } = test_
let serial = 0
const newAddress = () => `row-${process.pid}-${Date.now()}-${serial++}@example.com`

const newOwner = async (): Promise<Person> => {
  const owner = await signUp('Acme')
  await verify(owner)
  return owner
}

const pathOf = ({ organization_id }: Person) => `/api/v1/organizations/${organization_id}/invitations`
const inviteAll = (owner: Person, invitations: readonly unknown[], headers = {}) =>
  owner.call('POST', `${pathOf(owner)}/bulk`, { invitations }, headers)
const inviteCsv = (owner: Person, csv: string, type = 'text/csv') =>
  owner.call('POST', `${pathOf(owner)}/bulk`, csv, { 'content-type': type })

interface Item {
  row: number
  email: string | null
  result: string
  invitation?: Record<string, unknown>
  problem?: { code: string; errors?: { pointer: string; detail: string }[] }
}
const itemsOf = ({ body }: Answer): Item[] => body.items
const resultsOf = (answer: Answer) => itemsOf(answer).map(({ result }) => result)

const tally = (words: readonly string[]) =>
  Object.fromEntries([...Map.groupBy(words, word => word)].map(([word, all]) => [word, all.length]))

// Red when: writeInvitations() runs once for each row; a row that does not match fails the request.
test('a thousand rows take a fixed number of statements, and each gets its own result', async context => {
  const owner = await newOwner()
  const member = await addMember(owner, 'member')
  const known = await Promise.all([signUp(), signUp(), signUp()])
  const invited = newAddress()
  await owner.call('POST', pathOf(owner), { email: invited, role: 'viewer', title: 'Kept' })
  const special: [unknown, string][] = [
    [{ email: member.email, role: 'viewer' }, 'member'],
    [{ email: invited.toUpperCase(), role: 'admin', title: 'Lost' }, 'kept'],
    [{ email: known[0]!.email, role: 'member' }, 'invited'],
    [{ email: known[0]!.email.toUpperCase(), role: 'admin' }, 'kept'],
    [{ email: 'nobody', role: 'member' }, 'invalid'],
    [{ email: newAddress(), role: 'boss' }, 'invalid'],
    [{ email: newAddress() }, 'invalid'],
    [{ email: newAddress(), role: 'viewer', colour: 'red' }, 'invalid'],
    [{ email: newAddress(), role: 'viewer', title: '\u202eAcme' }, 'invalid'],
    ['a text', 'invalid'],
    [null, 'invalid'],
    [{ email: newAddress(), role: 'owner' }, 'invited'],
  ]
  const rest = Array.from({ length: 1000 - special.length }, () => ({ email: newAddress(), role: 'member' }))
  const statements = recordStatements(test_.database)
  const started = performance.now()
  const answer = await inviteAll(owner, [...special.map(([row]) => row), ...rest])
  context.diagnostic(`1,000 rows took ${Math.round(performance.now() - started)} ms`)
  assert.equal(answer.status, 200, answer.text.slice(0, 500))
  const texts = statements.take()
  assert.ok(texts.length <= 6, texts.join('\n'))
  const items = itemsOf(answer)
  assert.deepEqual(
    items.map(({ row }) => row),
    Array.from({ length: 1000 }, (_, index) => index + 1),
  )
  assert.deepEqual(
    items.slice(0, special.length).map(({ result }) => result),
    special.map(([, result]) => result),
  )
  assert.deepEqual(
    items.slice(4, 11).map(({ problem }) => [problem?.code, problem?.errors?.map(({ pointer }) => pointer)]),
    [['/email'], ['/role'], ['/role'], ['/colour'], ['/title'], [''], ['']].map(errors => ['invalid-fields', errors]),
  )
  assert.deepEqual([items[0]!.problem?.code, items[0]!.invitation], ['already-member', undefined])
  assert.deepEqual([items[1]!.invitation?.['role'], items[1]!.invitation?.['title']], ['viewer', 'Kept'])
  assert.deepEqual(items[3]!.invitation, items[2]!.invitation)
  // One is open already, so 989 of the 990 fit; ten addresses of the thousand were none.
  assert.deepEqual(tally(resultsOf(answer)), { member: 1, kept: 2, invited: 990, invalid: 7 })
  const { rows } = await test_.admin.query<{ count: number }>(
    `select count(*)::int as count from one_time_tokens t join freehold_jobs.job j on j.data ->> 'token_id' = t.id::text
      where t.sender = $1 and t.used_at is null`,
    [`organization ${owner.organization_id}`],
  )
  assert.equal(rows[0]!.count, 991, 'each has one link and one job')
})

// Red when: writeInvitations() looks for accounts that are not of members.
test('a row says the same of an address with an account and of one without, byte for byte', async () => {
  const owner = await newOwner()
  const people = await Promise.all([signUp(), signUp('Other'), signUp()])
  await verify(people[0]!)
  await test_.admin.query('update users set deleted_at = now() where id = $1', [people[2]!.user_id])
  const answers: string[] = []
  for (const { email } of people)
    for (const address of [email, `x${email.slice(1)}`]) {
      const answer = await inviteAll(owner, [{ email: address, role: 'viewer' }])
      const { id, mail_at, expires_at, created_at } = itemsOf(answer)[0]!.invitation as Record<string, string>
      let { text } = answer
      for (const value of [address, id, mail_at, expires_at, created_at]) text = text.replaceAll(value!, '…')
      answers.push(text)
    }
  assert.equal(new Set(answers).size, 1, answers.join('\n'))
})

// Red when: refusalOfRole() is not asked for each row.
test('a row with the role owner needs an owner with a recent sign-in, and no other row does', async () => {
  const owner = await newOwner()
  const administrator = await addMember(owner, 'admin')
  const rows = () => ['owner', 'viewer'].map(role => ({ email: newAddress(), role }))
  const byAdministrator = itemsOf(await inviteAll(administrator, rows()))
  assert.deepEqual(
    byAdministrator.map(({ result, problem }) => [result, problem?.code]),
    [
      ['refused', 'owner-required'],
      ['invited', undefined],
    ],
  )
  const claims = test_.tokens.verify(owner.access_token)
  const stale = test_.tokens.sign({ ...claims, jti: 'stale', auth_time: claims.auth_time - 601 })
  const late = itemsOf(await inviteAll(owner, rows(), { authorization: `Bearer ${stale}` }))
  assert.deepEqual(
    late.map(({ result, problem }) => [result, problem?.code]),
    [
      ['refused', 'step-up-required'],
      ['invited', undefined],
    ],
  )
  const member = await addMember(owner, 'member')
  assert.equal((await inviteAll(member, rows())).body.code, 'permission-missing')
  assert.equal((await inviteAll(await signUp('Acme'), rows())).body.code, 'email-unverified')
  assert.equal((await inviteAll(await signUp(), rows())).body.code, 'personal-organization')
  const other = await signUp('Other')
  assert.equal((await other.call('POST', `${pathOf(owner)}/bulk`, { invitations: rows() })).status, 404)
})

// Red when: mail_invitation() raises, or the quota of the address is not counted for bulk requests.
test('an address that had five emails within the hour is refused alone', async () => {
  const owner = await newOwner()
  const [often, once] = [newAddress(), newAddress()]
  for (let time = 0; time < 5; time++) {
    const { body } = await owner.call('POST', pathOf(owner), { email: often, role: 'viewer' })
    assert.equal((await owner.call('DELETE', `${pathOf(owner)}/${body.id}`)).status, 204)
  }
  const [first, second] = itemsOf(
    await inviteAll(owner, [
      { email: often, role: 'viewer' },
      { email: once, role: 'viewer' },
    ]),
  )
  assert.deepEqual([first!.result, first!.problem?.code], ['refused', 'too-many-invitations'])
  assert.equal(second!.result, 'invited')
})

test('an expired invitation is renewed, and keeps its id', async () => {
  const owner = await newOwner()
  const email = newAddress()
  const { body } = await owner.call('POST', pathOf(owner), { email, role: 'viewer' })
  await test_.admin.query(`update invitations set expires_at = now() - interval '1 day' where id = $1`, [body.id])
  const [item] = itemsOf(await inviteAll(owner, [{ email, role: 'member' }]))
  assert.deepEqual(
    [item!.result, item!.invitation?.['id'], item!.invitation?.['role'], item!.invitation?.['status']],
    ['invited', body.id, 'member', 'open'],
  )
  assert.equal((await test_.mailTo(email)).length, 1, 'the first link is spent')
})

// Red when: rememberResult() does not see the CSV.
test('the same key sends once, as JSON and as CSV', async () => {
  const owner = await newOwner()
  const headers = { 'idempotency-key': 'once' }
  const csv = `email,role\n${newAddress()},viewer`
  const send = (body: string) =>
    owner.call('POST', `${pathOf(owner)}/bulk`, body, { 'content-type': 'text/csv', ...headers })
  const first = await send(csv)
  assert.deepEqual(resultsOf(first), ['invited'])
  assert.deepEqual((await send(csv)).body, first.body)
  assert.equal((await send(`${csv}\n${newAddress()},viewer`)).body.code, 'idempotency-key-reused')
})

test('CSV in every dialect of spreadsheet programs gives the same invitations', async () => {
  const row = (email: string) => ({ email, role: 'viewer', title: 'Head, "Sales"', company: 'Müller; Söhne' })
  const quoted = ['viewer', '"Head, ""Sales"""', '"Müller; Söhne"']
  const dialects: Record<string, (email: string) => string> = {
    commas: email => `email,role,title,company\n${[email, ...quoted].join(',')}\n`,
    'CRLF without a last line end': email => `email,role,title,company\r\n${[email, ...quoted].join(',')}`,
    'CR alone': email => `email,role,title,company\r${[email, ...quoted].join(',')}\r`,
    'a byte order mark': email => `\uFEFFemail,role,title,company\n${[email, ...quoted].join(',')}\n`,
    'a byte order mark, semicolons and CRLF (German Excel)': email =>
      `\uFEFFemail;role;title;company\r\n${[email, ...quoted].join(';')}\r\n`,
    tabs: email => `email\trole\ttitle\tcompany\n${[email, ...quoted].join('\t')}\n`,
    'a quoted header, in another order and other letters': email =>
      `"Company","EMAIL","Title","Role"\n${[quoted[2], email, quoted[1], quoted[0]].join(',')}\n`,
    'spaces and blank lines': email =>
      `\n email , role , title , company \n\n${[` ${email} `, ...quoted].join(',')}\n,,,\n\n`,
  }
  const owner = await newOwner()
  for (const [name, csvOf] of Object.entries(dialects)) {
    const email = newAddress()
    const answer = await inviteCsv(owner, csvOf(email), 'text/csv; charset=utf-8; header=present')
    assert.equal(answer.status, 200, `${name}: ${answer.text}`)
    const [item, ...more] = itemsOf(answer)
    const { role, title, company } = item!.invitation ?? {}
    assert.deepEqual([{ email: item!.email, role, title, company }, more], [row(email), []], name)
  }
})

test('a CSV row that is none says why, and the others are invited', async () => {
  const owner = await newOwner()
  const lines: [line: string, result: string, pointer?: string][] = [
    [`${newAddress()},viewer`, 'invited'],
    ['nobody,viewer', 'invalid', '/email'],
    [`${newAddress()},chief`, 'invalid', '/role'],
    [newAddress(), 'invalid', '/role'],
    [`,viewer`, 'invalid', '/email'],
    [`${newAddress()},viewer,Engineer,Acme,5`, 'invalid', '/column 5'],
    [`x"y,z"w@example.com,viewer`, 'invalid', '/email'],
    [`${newAddress()},viewer,"two\nlines"`, 'invalid', '/title'],
    [`${newAddress()},viewer,${'x'.repeat(201)}`, 'invalid', '/title'],
    [`${newAddress()},viewer,,`, 'invited'],
  ]
  const answer = await inviteCsv(owner, `email,role,title,company\n${lines.map(([line]) => line).join('\n')}\n`)
  assert.equal(answer.status, 200, answer.text)
  for (const [index, { result, problem }] of itemsOf(answer).entries()) {
    const [line, expected, pointer] = lines[index]!
    assert.equal(result, expected, line)
    if (pointer !== undefined)
      assert.ok(
        problem?.errors?.some(error => error.pointer === pointer),
        `${line} ${JSON.stringify(problem)}`,
      )
    for (const { detail } of problem?.errors ?? []) assert.match(detail, /^(must|is)\b/)
  }
  assert.equal(itemsOf(answer)[1]!.email, 'nobody')
})

test('a file that is no CSV of ours is refused as a whole, and says what to change', async () => {
  const owner = await newOwner()
  const refusals: Record<string, [string | Buffer, RegExp]> = {
    empty: ['', /does not name the column email/],
    'no header': [`${newAddress()},viewer\n`, /first line with the name “row-/],
    'an unknown column': [
      'email,role,name\na@example.com,viewer,A',
      /“name”: it may name email, role, role_id, title and company/,
    ],
    'a column missing': ['email,title\na@example.com,A', /does not name the column role/],
    'a column twice': ['email,role,email\na@example.com,viewer,b@example.com', /email twice/],
    'only a header': ['email,role\n', /no row below/],
    'a quote that is not closed': [
      'email,role,title\na@example.com,viewer,"A\nb@example.com,viewer,B',
      /closing quote/,
    ],
    'another encoding': [Buffer.from('email,role,title\na@example.com,viewer,M\u00fcller', 'latin1'), /UTF-8/],
    'UTF-16': [Buffer.from('\uFEFFemail,role\na@example.com,viewer', 'utf16le'), /UTF-8/],
  }
  for (const [name, [body, expected]] of Object.entries(refusals)) {
    const response = await test_.app.inject({
      method: 'POST',
      url: `${pathOf(owner)}/bulk`,
      headers: { authorization: `Bearer ${owner.access_token}`, 'content-type': 'text/csv' },
      payload: body,
    })
    const { code, errors } = response.json()
    assert.deepEqual([response.statusCode, code], [422, 'unreadable-csv'], name)
    assert.match(errors[0].detail, expected, name)
  }
  const many = Array.from({ length: 1001 }, () => ({ email: newAddress(), role: 'viewer' }))
  const tooMany = await inviteAll(owner, many)
  assert.deepEqual([tooMany.status, tooMany.body.errors[0].pointer], [422, '/invitations'])
  const csv = await inviteCsv(owner, `email,role\n${many.map(({ email }) => `${email},viewer`).join('\n')}`)
  assert.deepEqual([csv.status, csv.body.code], [422, 'invalid-fields'])
  assert.match(csv.body.errors[0].detail, /at most 1000 rows/)
  assert.equal((await inviteCsv(owner, `email,role\n${'x'.repeat(1024 * 1024)}`)).body.code, 'body-too-large')
  assert.equal((await inviteAll(owner, [])).status, 422)
  const unstorable = await inviteAll(owner, [...many.slice(0, 2), { email: 'a\u0000@example.com', role: 'viewer' }])
  assert.deepEqual([unstorable.status, unstorable.body.errors[0].pointer], [422, '/invitations/2/email'])
  assert.equal((await owner.call('POST', `${pathOf(owner)}/bulk`)).status, 422)
  assert.deepEqual((await owner.call('GET', pathOf(owner))).body.items, [], 'no one is invited')
})

// Red when: the parser of CSV is added to the server instead of the route.
test('CSV is read by no other route', async () => {
  const owner = await newOwner()
  const refused = await owner.call('POST', pathOf(owner), 'email,role\na@example.com,viewer', {
    'content-type': 'text/csv',
  })
  assert.deepEqual([refused.status, refused.body.code], [415, 'unsupported-media-type'])
  assert.equal((await inviteCsv(owner, 'email,role', 'text/plain')).status, 415)
})
