-- owners told and operations logged last
-- loses: users.superuser_by

set local check_function_bodies = off;

drop trigger "suspension_told" on {{schema}}."organizations";

drop trigger "note_superuser" on {{schema}}."users";

drop view {{schema}}."live_users";

drop function {{schema}}."begin_operation"(text, text, uuid, jsonb);

drop function {{schema}}."tell_owners"();

alter table {{schema}}."users"
  drop column "superuser_by";

alter table {{schema}}."users"
  add column "superuser_through" uuid[] not null default '{}'::uuid[];

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
  if of_operators and not exists (select from users u, users first where u.id = actor and first.id = old.operator_id
      and u.superuser_since <= now() - interval '7 days' and old.operator_id <> all (u.superuser_through)
      and (actor <> all (first.superuser_through) or first.superuser_since <= now() - interval '7 days')) then
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

create or replace function {{schema}}.log_operation (
  operation   text,
  entity_type text,
  entity_id   uuid,
  details     jsonb
)
  returns void
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
begin
  insert into operator_log (actor_id, session_id, request_id, ip, user_agent, operation, organization_id, entity_type, entity_id, details)
  select o.user_id, o.session_id, context ->> 'request_id', context ->> 'ip', context ->> 'user_agent', operation,
    nullif(current_setting('app.organization_id', true), '')::uuid, entity_type, entity_id, details
  from operator o where current_setting('app.permission', true) not like '%:read';
  if not found then
    raise exception 'only an operator records an operation' using errcode = '42501';
  end if;
end $function$;

create or replace function {{schema}}.note_superuser()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
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
      where n.value is distinct from o.value and key not in ('version', 'updated_at', 'last_organization_id', 'unopened_organization_ids', 'gate_changed_in', 'superuser_since', 'superuser_through'))) end);
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
  values (event_id, type, user_id, session_id, coalesce(acting_user(), (context ->> 'user_id')::uuid), context ->> 'request_id', context ->> 'ip', context ->> 'user_agent', details);
  if mailed and user_id is not null then
    perform enqueue_job('mail', jsonb_build_object('event_id', event_id));
  end if;
end $function$;

create or replace function {{schema}}.tell_owners (
  organization uuid,
  type         text,
  details      jsonb,
  but          uuid[]  default '{}'::uuid[],
  also         uuid    default null::uuid,
  hourly       integer default null::integer
)
  returns void
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
  told constant jsonb := jsonb_strip_nulls(details || jsonb_build_object('organization_id', organization));
  event_id uuid;
  owner_id uuid;
begin
  for owner_id in select m.user_id from memberships m join live_users u on u.id = m.user_id
    where m.organization_id = organization and m.user_id <> all (array_remove(but, null))
      and (m.role = 'owner' and m.disabled_at is null and m.deleted_at is null or m.user_id = also)
    order by m.user_id loop
    event_id := new_id();
    insert into security_events (id, type, user_id, actor_id, request_id, details)
    values (event_id, tell_owners.type, owner_id, acting_user(), context ->> 'request_id', told);
    if hourly is null or (select count(*) from security_events e where e.user_id = owner_id and e.type = tell_owners.type
        and e.details ->> 'organization_id' = organization::text and e.created_at > now() - interval '1 hour') <= hourly then
      perform enqueue_job('mail', jsonb_build_object('event_id', event_id));
    end if;
  end loop;
end $function$;

create or replace function {{schema}}.tell_owners_of_invitation()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  perform tell_owners(new.organization_id, 'invited-by-operator', jsonb_build_object('invitation_id', new.id));
  return null;
end $function$;

create or replace function {{schema}}.tell_owners_of_organization()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  perform tell_owners(new.id, case when old.deleted_at is null and new.deleted_at is not null then 'organization-deleted' else 'second-factor-optional' end,
    '{}', array[acting_user()], hourly => 10);
  return null;
end $function$;

create or replace function {{schema}}.tell_owners_of_owner()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  actor constant uuid := acting_user();
  was_owner constant boolean := tg_op = 'UPDATE' and old.role = 'owner' and old.disabled_at is null and old.deleted_at is null;
  is_owner constant boolean := new.role = 'owner' and new.disabled_at is null and new.deleted_at is null;
  member constant jsonb := jsonb_build_object('member_id', new.user_id);
begin
  if current_setting('app.permission', true) = 'organization:transfer' then
    if is_owner then
      perform tell_owners(new.organization_id, 'organization-transferred', member, array[actor], hourly => 10);
    end if;
  elsif was_owner and not is_owner and new.user_id is distinct from actor then
    perform tell_owners(new.organization_id,
      case when new.deleted_at is not null then 'owner-removed' when new.disabled_at is not null then 'owner-disabled' else 'owner-demoted' end,
      member, array[actor], new.user_id, 10);
  elsif is_owner and not was_owner then
    perform tell_owners(new.organization_id, 'owner-added', member, array[actor, new.user_id], hourly => 10);
  end if;
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
    perform tell_owners(new.organization_id, type,
      jsonb_build_object('support_id', new.id, 'reason', new.reason, 'opens_at', new.opens_at, 'expires_at', new.expires_at));
  end if;
  return null;
end $function$;

create or replace function {{schema}}.tell_owners_of_suspension()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  perform tell_owners(new.id, case when new.suspended_at is null then 'organization-reactivated' else 'organization-suspended' end,
    jsonb_build_object('reason', new.suspended_reason));
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
    superuser_through,
    password_change_required_at
   FROM {{schema}}.users
  WHERE ((disabled_at IS NULL) AND (deleted_at IS NULL));

create trigger told
  after insert or update of role, role_id, invited_by on {{schema}}.invitations
  for each row
  when
    (((new.invited_by IS NULL) AND (new.revoked_at IS NULL) AND (current_setting('app.permission'::text, true) ~~
    'admin:%'::text)))
  execute function {{schema}}.tell_owners_of_invitation();

create trigger owner_added
  after insert on {{schema}}.memberships
  for each row
  when
    (((new.role = 'owner'::text) AND (((NULLIF(current_setting('app.context'::text, true), ''::text))::jsonb ->>
    'ip'::text) <> ''::text)))
  execute function {{schema}}.tell_owners_of_owner();

create trigger owner_changed
  after update on {{schema}}.memberships
  for each row
  when
    ((((old.role = 'owner'::text) OR (new.role = 'owner'::text)) AND ((COALESCE(current_setting('app.permission'::text,
    true),
    ''::text) <> ''::text) OR
    ((old.created_at <> new.created_at) AND (((NULLIF(current_setting('app.context'::text, true), ''::text))::jsonb ->>
    'ip'::text) <> ''::text)))))
  execute function {{schema}}.tell_owners_of_owner();

create constraint TRIGGER still_open
  after insert on {{schema}}.operator_log deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger suspension_told
  after update on {{schema}}.organizations
  for each row
  when (((old.suspended_at IS NULL) <> (new.suspended_at IS NULL)))
  execute function {{schema}}.tell_owners_of_suspension();

create trigger told
  after update on {{schema}}.organizations
  for each row
  when ((((old.deleted_at IS NULL) AND (new.deleted_at IS
    NOT NULL)) OR (old.second_factor_required AND (NOT new.second_factor_required))))
  execute function {{schema}}.tell_owners_of_organization();

create trigger note_superuser
  before update of superuser, superuser_since, superuser_through on {{schema}}.users
  for each row
  execute function {{schema}}.note_superuser();

revoke all on function {{schema}}."log_operation"(text, text, uuid, jsonb) from public;

grant execute
  on function {{schema}}."log_operation"(text, text, uuid, jsonb)
  to "freehold_system", "freehold_tenant";

revoke all on function {{schema}}."tell_owners"(uuid, text, jsonb, uuid[], uuid, integer) from public;

revoke all on function {{schema}}."tell_owners_of_invitation"() from public;

revoke all on function {{schema}}."tell_owners_of_organization"() from public;

revoke all on function {{schema}}."tell_owners_of_owner"() from public;

revoke all on function {{schema}}."tell_owners_of_suspension"() from public;

grant select, update on table {{schema}}."live_users" to "freehold_system";
