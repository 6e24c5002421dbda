-- The views read invitations as their owner.
create policy views on invitations for select to freehold_owner using (true);

-- Members who may invite now.
create view live_inviters with (security_barrier) as
  select m.organization_id, m.user_id, m.role, m.role_id
  from memberships m
  join users u on u.id = m.user_id and u.disabled_at is null and u.deleted_at is null
  where m.disabled_at is null and m.deleted_at is null and case when m.role_id is null
    then exists (select from role_permissions p where p.permission = 'invitations:write' and p.role = m.role)
    else exists (select from custom_role_permissions p
      where p.organization_id = m.organization_id and p.role_id = m.role_id and p.permission = 'invitations:write') end;

-- Invitations that an account can accept without a link: only those to its present and verified address. A guest joins as a viewer.
-- offset 0 looks up the invitations by the address and the inviter by the key: a join might first read those of all organizations.
create view live_invitations with (security_barrier) as
  select invited.id as user_id, i.organization_id, i.id, case when invited.guest then 'viewer' when i.role_id is null then i.role else 'custom' end as role,
    case when not invited.guest then i.role_id end as role_id,
    case when not invited.guest then (select r.name from roles r where r.organization_id = i.organization_id and r.id = i.role_id) end as role_name, i.title, i.company,
    i.expires_at, i.created_at, o.name as organization_name, coalesce(inviting.full_name, inviting.given_name) as inviter_name
  from users invited
  cross join lateral (select * from invitations
    where email = invited.email and accepted_at is null and revoked_at is null and expires_at > now() offset 0) as i
  join organizations o on o.id = i.organization_id and o.deleted_at is null and o.suspended_at is null
  left join users inviting on inviting.id = i.invited_by
  left join lateral (select role, role_id from live_inviters l
    where l.organization_id = i.organization_id and l.user_id = i.invited_by offset 0) as inviter on true
  where invited.disabled_at is null and invited.deleted_at is null and invited.email_verified
    -- An operator invited, or the inviter may still invite and has every permission of the role.
    and (i.invited_by is null or inviter.role is not null and not exists (select from role_permissions wanted
      where wanted.role = case when i.role_id is null then i.role else 'admin' end
        and (i.role_id is null or exists (select from custom_role_permissions c
          where c.organization_id = i.organization_id and c.role_id = i.role_id and c.permission = wanted.permission))
        and not exists (select from role_permissions own
          where own.permission = wanted.permission and own.role = case when inviter.role_id is null then inviter.role else 'admin' end
            and (inviter.role_id is null or exists (select from custom_role_permissions c
              where c.organization_id = i.organization_id and c.role_id = inviter.role_id and c.permission = wanted.permission)))));

grant select on live_inviters, live_invitations to freehold_system;
