import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestApp } from '../../../test/test-app.ts'

const { app, signUp } = await createTestApp()

// Red when: json.ts decodes without `fatal`, or keeps the framework's text parser.
test('bytes that are not UTF-8 are refused, and so is every body that is not JSON', async () => {
  const owner = await signUp('Acme')
  const send = async (type: string, payload: Buffer) => {
    const headers = { authorization: `Bearer ${owner.access_token}`, 'content-type': type }
    const answer = await app.inject({ method: 'POST', url: '/api/v1/projects', headers, payload })
    return [answer.statusCode, answer.json().code]
  }
  const latin = Buffer.from('{"name":"\xff"}', 'latin1')
  assert.deepEqual(await send('application/json', latin), [400, 'malformed-request'])
  assert.deepEqual(await send('text/plain', Buffer.from('{"name":"t"}')), [415, 'unsupported-media-type'])
  assert.equal((await send('application/json; charset=utf-8', Buffer.from('{"name":"é"}')))[0], 201)
})
