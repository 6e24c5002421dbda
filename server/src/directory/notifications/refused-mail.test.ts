import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { createOwnDatabase } from '../../../test/own-database.ts'
import { signUpAt, startServiceProcess, waitUntil } from '../../../test/programs/service-process.ts'

// Red when: mailHandler throws what the mail server has refused for good: the job waits for its next attempt.
test('an email to an address that does not exist is given up at once, and one that may pass later is not', async t => {
  const { tenantUrl, systemUrl, admin } = await createOwnDatabase()
  let answer = '550 5.1.1 no such user'
  let asked = 0
  const server = createServer(socket => {
    socket.on('error', () => {}).write('220 here\r\n')
    socket.on('data', chunk => {
      for (const line of String(chunk).split('\r\n').slice(0, -1)) {
        if (line.startsWith('RCPT')) asked++
        socket.write(
          line.startsWith('RCPT') ? `${answer}\r\n` : line.startsWith('QUIT') ? '221 bye\r\n' : '250 yes\r\n',
        )
      }
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const service = await startServiceProcess({
    DATABASE_TENANT_URL: tenantUrl,
    DATABASE_SYSTEM_URL: systemUrl,
    SMTP_URL: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    FROM_EMAIL: 'no-reply@example.com',
  })
  t.after(() => service.end('SIGKILL'))
  const states = async () =>
    (await admin.query(`select state::text from freehold_jobs.job where name = 'mail' order by created_on`)).rows.map(
      ({ state }) => state,
    )
  await signUpAt(service.url)
  await waitUntil(async () => (await states())[0] === 'completed')
  assert.equal(asked, 1)
  await waitUntil(() => /an email was refused for good/.test(service.output()))
  assert.doesNotMatch(service.output(), /client-\d+-.*@example/)
  answer = '451 4.3.0 later'
  await signUpAt(service.url)
  await waitUntil(async () => (await states())[1] === 'retry')
})
