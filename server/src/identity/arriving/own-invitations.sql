-- The invitations to the current user.
create view own_invitations with (security_barrier) as
  select i.id, i.organization_id, i.organization_name, i.inviter_name, i.role, i.title, i.company, i.expires_at, i.created_at, self.user_id
  from self
  join live_invitations i on i.user_id = self.user_id;
grant select on own_invitations to freehold_tenant;
