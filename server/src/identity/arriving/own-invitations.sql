-- The invitations to the current user. offset 0 reads those of one user: a join would first read those of all.
create view own_invitations with (security_barrier) as
  select i.id, i.organization_id, i.organization_name, i.inviter_name, i.role, i.role_id, i.role_name, i.title, i.company, i.expires_at, i.created_at, self.user_id
  from self
  cross join lateral (select * from live_invitations where user_id = self.user_id offset 0) as i;
grant select on own_invitations to freehold_tenant;
