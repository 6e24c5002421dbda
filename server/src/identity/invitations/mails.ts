import { find, tables } from '../../platform/database/statement.ts'
import { asName } from '../../platform/mail/mails.ts'
import type { MailDeclaration, MailedToken, TokenMail } from '../../platform/mail/mails.ts'

const query = tables('system', 'invitations', 'organizations', 'users')

export const mails: MailDeclaration = {
  directory: new URL('mails/', import.meta.url),
  values: { invitation: ['link', 'expires', 'organization', 'inviter'] },
}

const invitation: TokenMail = async ({ token, user, values, link, run }) => {
  if (token.email === null) return undefined
  const found = await run(findNames(token.details))
  if (found === undefined) return undefined
  const inviter = found.full_name ?? found.given_name
  const names = { organization: asName(found.name), inviter: inviter && asName(inviter) }
  return { name: 'invitation', to: token.email, person: user, values: { ...values, ...names, link } }
}

/** The names in an invitation; none when it is another version by now, accepted or revoked say, or the organization was deleted. */
const findNames = ({ organization_id, invitation_id, version }: MailedToken['details']) =>
  find(
    query
      .selectFrom('invitations')
      .innerJoin('organizations', 'organizations.id', 'invitations.organization_id')
      .innerJoin('users', 'users.id', 'invitations.invited_by')
      .select(['organizations.name', 'users.full_name', 'users.given_name'])
      .where('invitations.organization_id', '=', String(organization_id))
      .where('invitations.id', '=', String(invitation_id))
      .where('invitations.version', '=', Number(version))
      .where('organizations.deleted_at', 'is', null),
  )

export const tokenMails = { invitation }
