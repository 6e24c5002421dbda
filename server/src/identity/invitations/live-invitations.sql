-- The views read invitations as their owner.
create policy views on invitations for select to freehold_owner using (true);

-- Members who may invite now.
create view live_inviters with (security_barrier) as
  select m.organization_id, m.user_id, m.role_id is null and m.role = 'owner' as may_invite_owners
  from memberships m
  join live_users u on u.id = m.user_id
  where m.disabled_at is null and m.deleted_at is null and case when m.role_id is null
    then exists (select from role_permissions p where p.permission = 'invitations:write' and p.role = m.role)
    else exists (select from custom_role_permissions p
      where p.organization_id = m.organization_id and p.role_id = m.role_id and p.permission = 'invitations:write') end;

-- Invitations that an account can accept without a link: only those to its present and verified address. A guest joins as a viewer.
create view live_invitations with (security_barrier) as
  select invited.id as user_id, i.organization_id, i.id, case when invited.guest then 'viewer' else i.role end as role, i.title, i.company,
    i.expires_at, i.created_at, o.name as organization_name, coalesce(inviting.full_name, inviting.given_name) as inviter_name
  from live_users invited
  join invitations i on i.email = invited.email and i.accepted_at is null and i.revoked_at is null and i.expires_at > now()
  join organizations o on o.id = i.organization_id and o.deleted_at is null
  join live_inviters inviter on inviter.organization_id = i.organization_id and inviter.user_id = i.invited_by
    and (i.role <> 'owner' or inviter.may_invite_owners)
  join users inviting on inviting.id = i.invited_by
  where invited.email_verified;

grant select on live_inviters, live_invitations to freehold_system;
