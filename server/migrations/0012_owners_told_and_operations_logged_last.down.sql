-- Takes 0012_owners_told_and_operations_logged_last back.
-- loses: users.superuser_through

set local check_function_bodies = off;

drop trigger "told" on {{schema}}."invitations";

drop trigger "owner_added" on {{schema}}."memberships";

drop trigger "owner_changed" on {{schema}}."memberships";

drop trigger "still_open" on {{schema}}."operator_log";

drop trigger "suspension_told" on {{schema}}."organizations";

drop trigger "told" on {{schema}}."organizations";

drop trigger "note_superuser" on {{schema}}."users";

drop view {{schema}}."live_users";

drop function {{schema}}."log_operation"(text, text, uuid, jsonb);

drop function {{schema}}."tell_owners"(uuid, text, jsonb, uuid[], uuid, integer);

drop function {{schema}}."tell_owners_of_invitation"();

drop function {{schema}}."tell_owners_of_organization"();

drop function {{schema}}."tell_owners_of_owner"();

drop function {{schema}}."tell_owners_of_suspension"();

alter table {{schema}}."users"
  drop column "superuser_through";

alter table {{schema}}."users"
  add column "superuser_by" uuid;

create or replace function {{schema}}.begin_operation (
  operation   text,
  entity_type text,
  entity_id   uuid,
  details     jsonb
)
  returns boolean
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
begin
  if not exists (select from operator) then
    return false;
  end if;
  if current_setting('app.permission', true) not like '%:read' then
    insert into operator_log (actor_id, session_id, request_id, ip, user_agent, operation, organization_id, entity_type, entity_id, details)
    select o.user_id, o.session_id, context ->> 'request_id', context ->> 'ip', context ->> 'user_agent', operation,
      nullif(current_setting('app.organization_id', true), '')::uuid, entity_type, entity_id, details
    from operator o;
  end if;
  return true;
end $function$;

create or replace function {{schema}}.guard_support_grant()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  of_operators constant boolean := current_setting('app.permission', true) = 'admin:support:write';
  ends constant boolean := tg_op = 'UPDATE' and old.ended_at is null and new.ended_at is not null;
  actor constant uuid := acting_user();
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
  if of_operators and not exists (select from users u where u.id = actor and u.superuser_since <= now() - interval '7 days'
      and u.superuser_by is distinct from old.operator_id) then
    raise exception 'another operator must grant it' using errcode = '23514', constraint = 'support_grants_second';
  end if;
  new.emergency := of_operators;
  new.granted_by := actor;
  new.granted_at := now();
  new.opens_at := now() + case when of_operators then interval '15 minutes' else interval '0' end;
  new.expires_at := new.opens_at + make_interval(mins => new.minutes);
  new.ended_by := null;
  return new;
end $function$;

create or replace function {{schema}}.note_superuser()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if not new.superuser then
    new.superuser_since := null;
    new.superuser_by := null;
  elsif tg_op = 'INSERT' or not old.superuser then
    new.superuser_since := now();
    new.superuser_by := acting_user();
  else
    new.superuser_since := old.superuser_since;
    new.superuser_by := old.superuser_by;
  end if;
  return new;
end $function$;

create or replace function {{schema}}.record_account()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  perform record_event(case when tg_op = 'INSERT' then 'account-created' else 'account-changed' end, new.id,
    nullif(current_setting('app.session_id', true), '')::uuid,
    case when tg_op = 'UPDATE' then jsonb_build_object('changed', (select jsonb_agg(n.key order by n.key)
      from jsonb_each(to_jsonb(new)) n join jsonb_each(to_jsonb(old)) o using (key)
      where n.value is distinct from o.value and key not in ('version', 'updated_at', 'last_organization_id', 'unopened_organization_ids', 'gate_changed_in', 'superuser_since', 'superuser_by'))) end);
  return null;
end $function$;

create or replace function {{schema}}.record_event (
  type       text,
  user_id    uuid,
  session_id uuid,
  details    jsonb   default null::jsonb,
  mailed     boolean default false
)
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
  event_id constant uuid := new_id();
begin
  insert into security_events (id, type, user_id, session_id, actor_id, request_id, ip, user_agent, details)
  values (event_id, type, user_id, session_id, (context ->> 'user_id')::uuid, context ->> 'request_id', context ->> 'ip', context ->> 'user_agent', details);
  if mailed and user_id is not null then
    perform enqueue_job('mail', jsonb_build_object('event_id', event_id));
  end if;
end $function$;

create or replace function {{schema}}.tell_owners()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
  is_suspended constant boolean := new.suspended_at is not null;
  event_id uuid;
  owner_id uuid;
begin
  for owner_id in select m.user_id from memberships m join users u on u.id = m.user_id and u.disabled_at is null and u.deleted_at is null
    where m.organization_id = new.id and m.role = 'owner' and m.disabled_at is null and m.deleted_at is null order by m.user_id loop
    event_id := new_id();
    insert into security_events (id, type, user_id, actor_id, request_id, details)
    values (event_id, case when is_suspended then 'organization-suspended' else 'organization-reactivated' end, owner_id, acting_user(), context ->> 'request_id',
      jsonb_strip_nulls(jsonb_build_object('organization_id', new.id, 'reason', new.suspended_reason)));
    perform enqueue_job('mail', jsonb_build_object('event_id', event_id));
  end loop;
  return null;
end $function$;

create or replace function {{schema}}.tell_owners_of_support()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  type constant text := case when tg_op = 'INSERT' then 'support-requested' when new.ended_at is null then case when new.emergency then 'support-opened-in-emergency' else 'support-opened' end
    when new.granted_at is not null then 'support-ended' end;
begin
  if type is not null then
    perform record_event(type, m.user_id, null, jsonb_build_object('organization_id', new.organization_id, 'support_id', new.id, 'reason', new.reason,
      'opens_at', new.opens_at, 'expires_at', new.expires_at), true)
    from memberships m join live_users u on u.id = m.user_id
    where m.organization_id = new.organization_id and m.role = 'owner' and m.disabled_at is null and m.deleted_at is null
    order by m.user_id;
  end if;
  return null;
end $function$;

create view {{schema}}."live_users" with (security_barrier=true) AS  SELECT id,
    email,
    username,
    password_hash,
    given_name,
    family_name,
    full_name,
    superuser,
    email_verified_at,
    email_verified,
    last_organization_id,
    unopened_organization_ids,
    locale,
    disabled_at,
    deleted_at,
    erased_at,
    gate_changed_in,
    created_at,
    updated_at,
    version,
    guest,
    superuser_since,
    superuser_by,
    password_change_required_at
   FROM {{schema}}.users
  WHERE ((disabled_at IS NULL) AND (deleted_at IS NULL));

create trigger suspension_told
  after update on {{schema}}.organizations
  for each row
  when (((old.suspended_at IS NULL) <> (new.suspended_at IS NULL)))
  execute function {{schema}}.tell_owners();

create trigger note_superuser
  before update of superuser, superuser_since, superuser_by on {{schema}}.users
  for each row
  execute function {{schema}}.note_superuser();

revoke all on function {{schema}}."begin_operation"(text, text, uuid, jsonb) from public;

grant execute
  on function {{schema}}."begin_operation"(text, text, uuid, jsonb)
  to "freehold_system", "freehold_tenant";

revoke all on function {{schema}}."tell_owners"() from public;

grant select, update on table {{schema}}."live_users" to "freehold_system";
