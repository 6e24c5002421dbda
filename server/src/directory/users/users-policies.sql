-- A user's own row. The policies of memberships (organizations-policies.sql) show the rows of other members.
create policy self on users for select to freehold_tenant using (id = (select user_id from self));
create policy self_update on users for update to freehold_tenant using (id = (select user_id from self));
create trigger revocation before update on users for each row
  when ((old.disabled_at, old.deleted_at, old.superuser) is distinct from (new.disabled_at, new.deleted_at, new.superuser))
  execute function lock_revocation('user', 'id');
create trigger gate_column before insert or update of gate_changed_in on users for each row execute function keep_gate_changed_in();
create constraint trigger still_open after update on users deferrable initially deferred for each row execute function still_open();

-- Keyed digests reveal nothing without the key, and a change of the username has to check them.
create policy self on retired_names for select to freehold_tenant using (exists (select from self));

-- Since when an account is a superuser, and through whom: in an emergency, support access needs another operator
-- (operations/support). Those before stay in the list when they lose the role, so that it leads back to the first of them.
create function note_superuser() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  if not new.superuser then
    new.superuser_since := null;
    new.superuser_through := '{}';
  elsif tg_op = 'INSERT' or not old.superuser then
    new.superuser_since := now();
    new.superuser_through := coalesce((select u.id || u.superuser_through from users u where u.id = acting_user()), '{}');
  else
    new.superuser_since := old.superuser_since;
    new.superuser_through := old.superuser_through;
  end if;
  return new;
end $$;
revoke execute on function note_superuser() from public;
create trigger note_superuser_insert before insert on users for each row execute function note_superuser();
create trigger note_superuser before update of superuser, superuser_since, superuser_through on users for each row execute function note_superuser();
-- The service keeps a superuser: no request takes the role, the account or its use from the last one. Requests that take it from
-- someone hold this key, before the rows of the accounts, so that of two that would do so at once the second sees the first. The
-- command line has no session, and may.
create function hold_superusers() returns void language sql volatile set search_path = {{schema}}, pg_temp as $$
  select pg_advisory_xact_lock(lock_key('superusers', '')) $$;
revoke execute on function hold_superusers() from public;
grant execute on function hold_superusers() to freehold_system;
create function keep_a_superuser() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
begin
  if nullif(current_setting('app.session_id', true), '') is not null then
    perform hold_superusers();
    if not exists (select from users where superuser and disabled_at is null and deleted_at is null) then
      raise exception 'the service needs a superuser' using errcode = '23514', constraint = 'users_keep_a_superuser';
    end if;
  end if;
  return null;
end $$;
revoke execute on function keep_a_superuser() from public;
create trigger keep_a_superuser after update on users for each row
  when (old.superuser and old.disabled_at is null and old.deleted_at is null and not (new.superuser and new.disabled_at is null and new.deleted_at is null))
  execute function keep_a_superuser();
