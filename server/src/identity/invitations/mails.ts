import { find, tables } from '../../platform/database/statement.ts'
import { asName } from '../../platform/mail/mails.ts'
import type { MailDeclaration, MailedToken, TokenMail } from '../../platform/mail/mails.ts'

const query = tables('system', 'invitations', 'organizations', 'memberships', 'live_users')

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

/**
 * The names in an invitation, without that of an operator; none if it was changed (for example accepted or revoked), or the
 * inviter is no longer a member, or the organization is suspended: an administrator invites again once it is reactivated.
 */
const findNames = ({ organization_id, invitation_id, version }: MailedToken['details']) =>
  find(
    query
      .selectFrom('invitations')
      .innerJoin('organizations', 'organizations.id', 'invitations.organization_id')
      .leftJoin('live_users', 'live_users.id', 'invitations.invited_by')
      .leftJoin('memberships as inviter', join =>
        join
          .onRef('inviter.organization_id', '=', 'invitations.organization_id')
          .onRef('inviter.user_id', '=', 'live_users.id'),
      )
      .select(['organizations.name', 'live_users.full_name', 'live_users.given_name'])
      .where('invitations.organization_id', '=', String(organization_id))
      .where('invitations.id', '=', String(invitation_id))
      .where('invitations.version', '=', Number(version))
      .where(eb => eb.or([eb('invitations.invited_by', 'is', null), eb('inviter.user_id', 'is not', null)]))
      .where('inviter.disabled_at', 'is', null)
      .where('inviter.deleted_at', 'is', null)
      .where('organizations.deleted_at', 'is', null)
      .where('organizations.suspended_at', 'is', null),
  )

export const tokenMails = { invitation }
