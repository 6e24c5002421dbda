
-- addresses that accounts had before, as far as the tokens of changes are still there
insert into former_addresses (user_id, email, held_until)
select t.user_id, t.details ->> 'old_email', t.used_at from one_time_tokens t
join security_events e on e.type = 'email-changed' and e.user_id = t.user_id and (e.details ->> 'token_id')::uuid = t.id
join users u on u.id = t.user_id and u.erased_at is null
where t.purpose = 'change-email' and t.used_at is not null and t.details ->> 'old_email' <> u.email
on conflict do nothing;
-- open invitations for addresses of members, or of users who have left since: no way back
update invitations i set revoked_at = now() from memberships m, account_addresses a
where m.organization_id = i.organization_id and a.user_id = m.user_id and a.email = i.email
  and (a.held_until is null or i.updated_at <= a.held_until) and (m.deleted_at is null or i.updated_at <= m.deleted_at)
  and i.accepted_at is null and i.revoked_at is null;
-- links of invitations that are not open any more are spent
update one_time_tokens t set used_at = now() where t.purpose = 'invitation' and t.used_at is null
  and not exists (select from invitations i where i.organization_id = (t.details ->> 'organization_id')::uuid and i.id = (t.details ->> 'invitation_id')::uuid
    and i.version = (t.details ->> 'version')::integer and i.accepted_at is null and i.revoked_at is null);
