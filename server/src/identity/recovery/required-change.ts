import { revokeSessions } from '../../directory/sessions/sessions.ts'
import type { SystemRunner } from '../../platform/database/database.ts'
import { affect, tables } from '../../platform/database/statement.ts'
import { isProblem, Problem } from '../../platform/problems.ts'
import type { Services } from '../../platform/services.ts'
import { kindsThatEndWith, presentedToken, revokeTokens } from '../../platform/tokens/one-time-tokens.ts'
import { redeemLink } from '../accounts/links.ts'
import { recordChange } from '../changes/changes.ts'
import { revokeDevices } from '../devices/devices.ts'
import { checkPassword } from '../passwords/password-policy.ts'
import { passwordChangeToken } from '../passwords/required-change.ts'
import { digestOf, findAccount, passwordChanged, personalWords, refuseFormer } from './recovery.ts'

const query = tables('system', 'live_users')

type ChangeServices = Pick<Services, 'declared' | 'keys' | 'passwords' | 'passwordPolicy'>

/**
 * Sets the password that an operator required, by the token of a right sign-in with the present one, and revokes all
 * sessions and devices. Creates no session.
 * @throws Problem weak-password, at `/new_password`, with the token unspent; invalid-token
 */
export async function completePasswordChange(
  visitor: SystemRunner,
  { declared, keys, passwords, passwordPolicy }: ChangeServices,
  token: string,
  new_password: string,
): Promise<void> {
  const presented = await presentedToken(visitor, keys.oneTime, passwordChangeToken, token)
  const account = await findAccount(visitor, presented.user_id)
  if (account === undefined) throw new Problem('invalid-token')
  await refuseFormer(passwords, account, new_password)
  await checkPassword(new_password, passwordPolicy, personalWords(account), '/new_password')
  const password_hash = await passwords.hash(new_password)
  const { id: user_id } = account
  await redeemLink(visitor.with({ user_id }), passwordChangeToken, presented, async transaction => {
    await transaction.run(setRequired(user_id, password_hash)).catch((error: unknown) => {
      throw isProblem(error, 'not-found') ? new Problem('invalid-token') : error
    })
    await transaction.run(revokeSessions(user_id, 'password-changed'))
    await transaction.run(revokeDevices(user_id, null))
    await transaction.run(revokeTokens(user_id, kindsThatEndWith(declared.tokens, 'password')))
    const trace = { password: digestOf(password_hash) }
    await transaction.run(recordChange(declared, passwordChanged, { user_id, session_id: null, trace }))
  })
}

/** Sets the password of an account of which one is required. @throws Problem not-found (when read) if none is any more */
const setRequired = (user_id: string, password_hash: string) =>
  affect(
    query
      .updateTable('live_users')
      .set({ password_hash, password_change_required_at: null })
      .where('id', '=', user_id)
      .where('password_change_required_at', 'is not', null)
      .returning('id'),
  )
