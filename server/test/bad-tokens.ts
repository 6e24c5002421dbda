import assert from 'node:assert/strict'
import { tokenKeyOf } from '../src/platform/tokens/one-time-tokens.ts'
import { openId, signId } from '../src/platform/crypto/sealing.ts'
import type { TestApp } from './test-app.ts'
import { TEST_SECRET } from './test-database.ts'

const key = tokenKeyOf(TEST_SECRET)

/** The id in a token of the service. */
export const idOf = (purpose: string, token: string): string => openId(key, purpose, token)!

/** Strings that resemble the token but are not it: each must be refused with the same response. */
export function spoilToken(purpose: string, token: string): Record<string, string> {
  const id = idOf(purpose, token)
  const changed = (at: number) => token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1)
  const otherPurpose = purpose === 'mfa' ? 'unlock' : 'mfa'
  return {
    'without its end': token.slice(0, -1),
    'without its beginning': token.slice(1),
    'half of it': token.slice(0, 32),
    'one character more': `${token}A`,
    padded: `${token}==`,
    'in blanks': ` ${token}`,
    'its first character changed': changed(0),
    'its middle changed': changed(32),
    'its last character changed': changed(63),
    'in upper case': token.toUpperCase(),
    'of another purpose': signId(key, otherPurpose, id),
    'of another key': signId(tokenKeyOf(`${TEST_SECRET} of others`), purpose, id),
    'its bare id': id,
    'of nobody': signId(key, purpose, '01900000-0000-7000-8000-000000000000'),
  }
}

/** Everything about a user that a one-time token could change, as text. */
export async function accountState({ admin }: TestApp, user_id: string): Promise<string> {
  const { rows } = await admin.query<{ line: string }>(
    `select to_jsonb(u)::text as line from users u where id = $1
      union all select to_jsonb(s)::text from sessions s where user_id = $1
      union all select to_jsonb(d)::text from devices d where user_id = $1
      union all select to_jsonb(t)::text from one_time_tokens t where user_id = $1
      union all select type from security_events where user_id = $1 order by 1`,
    [user_id],
  )
  return rows.map(({ line }) => line).join('\n')
}

/**
 * Sends every damaged form of a token, the expired token and other values to a route. Each must get the same refusal,
 * and must not change the user. Afterwards the token is valid again.
 */
export async function attackToken(
  test: TestApp,
  {
    path,
    purpose,
    token,
    body = {},
    user_id,
  }: { path: string; purpose: string; token: string; body?: object; user_id: string },
): Promise<void> {
  const before = await accountState(test, user_id)
  const refuse = async (given: unknown, name: string, code: string) => {
    const answer = await test.call('POST', path, { ...body, token: given })
    assert.equal(answer.status, 422, `${name}: ${answer.text}`)
    assert.equal(answer.body.code, code, `${name}: ${answer.text}`)
    assert.equal(await accountState(test, user_id), before, `${name} changed something`)
    return answer.text.replace(answer.headers['x-request-id']!, '')
  }
  const words = new Set<string>()
  for (const [name, spoilt] of Object.entries(spoilToken(purpose, token)))
    words.add(await refuse(spoilt, name, 'invalid-token'))
  const id = idOf(purpose, token)
  await test.admin.query(`update one_time_tokens set expires_at = expires_at - interval '100 days' where id = $1`, [id])
  const expired = await test.call('POST', path, { ...body, token })
  words.add(expired.text.replace(expired.headers['x-request-id']!, ''))
  await test.admin.query(`update one_time_tokens set expires_at = expires_at + interval '100 days' where id = $1`, [id])
  assert.equal(words.size, 1, [...words].join('\n'))
  for (const [name, none] of Object.entries({
    'a list': [token],
    'a list of two': [token, token],
    'an object': { token },
    'a number': 1,
    null: null,
    nothing: '',
    '10 kB': 'x'.repeat(10_240),
    'no Unicode': '\ud800',
  }))
    await refuse(none, name, 'invalid-fields')
}
