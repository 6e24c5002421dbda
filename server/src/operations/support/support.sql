-- Who may ask for support access, grant it and end it.
select organization_table('support_grants', history => '{operator_id, reason, role, minutes, emergency, granted_by, opens_at, expires_at, ended_by, ended_at}',
  writes => '{support:write, admin:support:write}', commands => '{insert, update}');
-- Operators list the support access to all organizations.
create policy system_read on support_grants for select to freehold_system using (true);
grant select on support_grants to freehold_system;
-- Where a support access is, for operators: the gate of that organization then decides all the rest.
create view support_places with (security_barrier) as select id, organization_id from support_grants where exists (select from self where superuser);
grant select on support_places to freehold_tenant;
-- The gate reads this table as its owner.
create policy gate on support_grants for select to freehold_owner using (true);
create trigger gate_column before insert or update of gate_changed_in on support_grants for each row execute function keep_gate_changed_in();
create trigger revocation before update on support_grants for each row
  when (old.ended_at is null and new.ended_at is not null) execute function lock_revocation('user', 'operator_id');

-- An operator asks for the operator's own access. Everything else is decided once, here and not by the statement: by whom,
-- when and until when. No one grants what they asked for. In an emergency the second operator has been a superuser for a
-- week, and not through the first; nor is the first someone whom the second has just made one. The owners get an email, and a
-- quarter of an hour to end it before it opens.
create function guard_support_grant() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  of_operators constant boolean := current_setting('app.permission', true) = 'admin:support:write';
  ends constant boolean := tg_op = 'UPDATE' and old.ended_at is null and new.ended_at is not null;
  actor constant uuid := acting_user();
  owner_id uuid;
begin
  if nullif(current_setting('app.session_id', true), '') is null then
    return new;
  end if;
  if tg_op = 'INSERT' then
    if not of_operators or new.operator_id is distinct from actor or new.granted_at is not null or new.ended_at is not null or new.emergency then
      raise exception 'only an operator asks for support access' using errcode = '42501';
    end if;
    new.created_at := now();
    return new;
  end if;
  if old.ended_at is not null or old.expires_at <= now() or old.granted_at is null and old.created_at < now() - interval '7 days'
    or old.granted_at is not null and not ends then
    raise exception 'the support access has been decided' using errcode = '23514', constraint = 'support_grants_decided';
  end if;
  if (old.organization_id, old.id, old.operator_id, old.reason, old.created_at) is distinct from (new.organization_id, new.id, new.operator_id, new.reason, new.created_at)
    or not ends and new.granted_at is null then
    raise exception 'support access is granted or ended, and not changed otherwise' using errcode = '42501';
  end if;
  if ends then
    new.role := old.role;
    new.minutes := old.minutes;
    new.emergency := old.emergency;
    new.granted_by := old.granted_by;
    new.granted_at := old.granted_at;
    new.opens_at := old.opens_at;
    new.expires_at := old.expires_at;
    new.ended_by := actor;
    new.ended_at := now();
    return new;
  end if;
  if actor = old.operator_id then
    raise exception 'someone else grants the support access' using errcode = '23514', constraint = 'support_grants_own';
  end if;
  if of_operators and not exists (select from users u, users first where u.id = actor and first.id = old.operator_id
      and u.superuser_since <= now() - interval '7 days' and old.operator_id <> all (u.superuser_through)
      and (actor <> all (first.superuser_through) or first.superuser_since <= now() - interval '7 days')) then
    raise exception 'another operator must grant it' using errcode = '23514', constraint = 'support_grants_second';
  end if;
  if of_operators then
    -- The keys of the owners, so that what an operator does to them has either happened, or finds this access.
    for owner_id in select m.user_id from memberships m
      where m.organization_id = new.organization_id and m.role = 'owner' and m.disabled_at is null and m.deleted_at is null
      union select actor order by 1 loop
      perform pg_advisory_xact_lock_shared(lock_key('revocation', owner_id::text));
    end loop;
    if not exists (select from memberships m join live_users u on u.id = m.user_id where m.organization_id = new.organization_id
        and m.role = 'owner' and m.disabled_at is null and m.deleted_at is null and m.user_id not in (actor, old.operator_id)) then
      raise exception 'no owner could end the support access' using errcode = '23514', constraint = 'support_grants_uncontested';
    end if;
  end if;
  new.emergency := of_operators;
  new.granted_by := actor;
  new.granted_at := now();
  new.opens_at := now() + case when of_operators then interval '15 minutes' else interval '0' end;
  new.expires_at := new.opens_at + make_interval(mins => new.minutes);
  new.ended_by := null;
  return new;
end $$;
revoke execute on function guard_support_grant() from public;
create trigger guard before insert or update on support_grants for each row execute function guard_support_grant();

-- The owners who can end an emergency access before it opens.
create view contesting_owners with (security_barrier) as
  select m.user_id, g.id as support_id from memberships m join support_grants g on g.organization_id = m.organization_id
  where m.role = 'owner' and m.disabled_at is null and m.deleted_at is null and g.emergency and g.ended_at is null and g.opens_at > now();
grant select on contesting_owners to freehold_system;

-- That is not taken from them by an operator, who would disable their accounts, or end each of their sessions as soon as it
-- begins, until the access is open. Whatever the statement is: the operator ends the access first.
create function keep_contesting_owner() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  person constant uuid := (to_jsonb(new) ->> tg_argv[0])::uuid;
  access constant uuid := (select support_id from contesting_owners where user_id = person limit 1);
begin
  if access is not null then
    raise exception 'an owner can end a support access' using errcode = '23514', constraint = 'support_grants_uncontested',
      detail = jsonb_build_object('support_id', access);
  end if;
  return new;
end $$;
revoke execute on function keep_contesting_owner() from public;
-- After the triggers `revocation`, in the order of their names: they wait for a grant at the same moment.
create trigger support_contest before update on users for each row
  when ((old.disabled_at is null and new.disabled_at is not null or old.deleted_at is null and new.deleted_at is not null
      or old.password_change_required_at is null and new.password_change_required_at is not null)
    and current_setting('app.permission', true) like 'admin:%')
  execute function keep_contesting_owner('id');
create trigger support_contest before update on sessions for each row
  when (old.revoked_at is null and new.revoked_at is not null and current_setting('app.permission', true) like 'admin:%')
  execute function keep_contesting_owner('user_id');

-- The owners are told by email when an operator asks, when access is granted, and when it is ended before its time.
create function tell_owners_of_support() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  type constant text := case when tg_op = 'INSERT' then 'support-requested' when new.ended_at is null then case when new.emergency then 'support-opened-in-emergency' else 'support-opened' end
    when new.granted_at is not null then 'support-ended' end;
begin
  if type is not null then
    perform tell_owners(new.organization_id, type,
      jsonb_build_object('support_id', new.id, 'reason', new.reason, 'opens_at', new.opens_at, 'expires_at', new.expires_at));
  end if;
  return null;
end $$;
revoke execute on function tell_owners_of_support() from public;
create trigger told after insert or update on support_grants for each row execute function tell_owners_of_support();

-- Under support access the tenant login sees no people: not the members, so not their accounts either (the policy
-- `colleagues`), and not what they were offered.
create policy support on memberships as restrictive to freehold_tenant using ((select coalesce(current_setting('app.support_id', true), '') = ''));
create policy support on invitations as restrictive to freehold_tenant using ((select coalesce(current_setting('app.support_id', true), '') = ''));
create policy support on roles as restrictive to freehold_tenant using ((select coalesce(current_setting('app.support_id', true), '') = ''));
create policy support on custom_role_permissions as restrictive to freehold_tenant using ((select coalesce(current_setting('app.support_id', true), '') = ''));
create policy support on support_grants as restrictive to freehold_tenant using ((select coalesce(current_setting('app.support_id', true), '') = ''));
-- The first results of requests with an Idempotency-Key, which name the principal before the route.
create policy support on idempotency_keys to freehold_tenant
  using (starts_with(route, (select 'support ' || nullif(current_setting('app.support_id', true), '') || ' ')) and user_id = (select user_id from gate));
