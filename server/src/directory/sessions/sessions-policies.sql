-- A user reads and revokes their own sessions, and cannot restore one.
create policy self on sessions for select to freehold_tenant using (user_id = (select user_id from self));
create policy self_revoke on sessions for update to freehold_tenant
  using (user_id = (select user_id from self) and revoked_at is null)
  with check (user_id = (select user_id from self) and revoked_at is not null);
-- A session can choose another organization, only for itself.
create policy choice on sessions for update to freehold_tenant
  using (id = (select session_id from self) and revoked_at is null) with check (id = (select session_id from self) and revoked_at is null);
create trigger revocation before update on sessions for each row
  when (old.revoked_at is null and new.revoked_at is not null) execute function lock_revocation('user', 'user_id');
-- A session that loses its second factor loses access to the organizations that require one.
create trigger revocation_second_factor before update on sessions for each row
  when (old.second_factor_at is not null and new.second_factor_at is null) execute function lock_revocation('user', 'user_id');
create trigger gate_column before insert or update of gate_changed_in on sessions for each row execute function keep_gate_changed_in();
create constraint trigger still_open after update on sessions deferrable initially deferred for each row execute function still_open();
