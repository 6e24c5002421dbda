-- features own their tables

set local check_function_bodies = off;

revoke all on table {{schema}}."projects" from "freehold_system";

drop policy "erase" on {{schema}}."audit_log";

drop policy "forget" on {{schema}}."audit_log";

drop policy "tenant_read" on {{schema}}."audit_log";

drop policy "self_revoke" on {{schema}}."devices";

drop policy "self" on {{schema}}."devices";

drop policy "self" on {{schema}}."idempotency_keys";

drop policy "self" on {{schema}}."identities";

drop policy "system_write" on {{schema}}."invitations";

drop policy "tenant_delete" on {{schema}}."invitations";

drop policy "tenant_insert" on {{schema}}."invitations";

drop policy "tenant_read" on {{schema}}."invitations";

drop policy "tenant_update" on {{schema}}."invitations";

drop policy "system_write" on {{schema}}."memberships";

drop policy "tenant_delete" on {{schema}}."memberships";

drop policy "tenant_insert" on {{schema}}."memberships";

drop policy "tenant_read" on {{schema}}."memberships";

drop policy "tenant_update" on {{schema}}."memberships";

drop policy "system_write" on {{schema}}."organizations";

drop policy "tenant_delete" on {{schema}}."organizations";

drop policy "tenant_insert" on {{schema}}."organizations";

drop policy "tenant_read" on {{schema}}."organizations";

drop policy "tenant_update" on {{schema}}."organizations";

drop policy "system_read" on {{schema}}."projects";

drop policy "system_write" on {{schema}}."projects";

drop policy "tenant_delete" on {{schema}}."projects";

drop policy "tenant_insert" on {{schema}}."projects";

drop policy "tenant_read" on {{schema}}."projects";

drop policy "tenant_update" on {{schema}}."projects";

drop policy "forget" on {{schema}}."security_events";

drop policy "system_delete" on {{schema}}."security_events";

drop policy "self_revoke" on {{schema}}."sessions";

drop policy "self" on {{schema}}."sessions";

drop policy "self_update" on {{schema}}."users";

drop policy "self" on {{schema}}."users";

drop trigger "history" on {{schema}}."memberships";

drop trigger "revocation" on {{schema}}."memberships";

drop trigger "revocation" on {{schema}}."organizations";

drop trigger "revocation_second_factor" on {{schema}}."sessions";

drop trigger "revocation" on {{schema}}."sessions";

drop trigger "revocation" on {{schema}}."users";

drop view {{schema}}."gate_state";

drop view {{schema}}."gate";

drop view {{schema}}."own_organizations";

drop view {{schema}}."role_permissions";

drop view {{schema}}."second_factors";

drop view {{schema}}."self";

drop function {{schema}}."closed_gate"(uuid, uuid);

drop function {{schema}}."gate_is_open"(uuid, uuid);

drop function {{schema}}."organization_table"(text, text[], text);

drop function {{schema}}."record_event"(text, uuid, uuid, jsonb);

drop function {{schema}}."revocation_key"(uuid);

create table {{schema}}."custom_role_permissions" (
  "organization_id" uuid                     not null,
  "role_id"         uuid                     not null,
  "permission"      text                     not null,
  "created_at"      timestamp with time zone not null default now(),
  "updated_at"      timestamp with time zone not null default now(),
  "version"         integer                  not null default 1,
  constraint "custom_role_permissions_pkey" primary key (organization_id, role_id, permission)
);

alter table {{schema}}."custom_role_permissions"
  enable row level security;

alter table {{schema}}."custom_role_permissions"
  force row level security;

create table {{schema}}."role_permissions" (
  "permission" text not null,
  "role"       text not null,
  constraint "role_permissions_pkey" primary key (permission, role)
);

alter table {{schema}}."role_permissions"
  enable row level security;

create table {{schema}}."roles" (
  "organization_id" uuid                     not null,
  "name"            text                     not null,
  "description"     text,
  "created_at"      timestamp with time zone not null default now(),
  "updated_at"      timestamp with time zone not null default now(),
  "version"         integer                  not null default 1,
  constraint "roles_name_key" unique (organization_id, name),
  "id"              uuid                     not null default {{schema}}.new_id(),
  constraint "roles_pkey" primary key (organization_id, id)
);

alter table {{schema}}."roles"
  enable row level security;

alter table {{schema}}."roles"
  force row level security;

alter table {{schema}}."throttles"
  set (fillfactor=70);

alter table {{schema}}."memberships"
  add column "role_id" uuid;

alter table {{schema}}."memberships"
  add column "gate_changed_in" xid8;

alter table {{schema}}."organizations"
  add column "gate_changed_in" xid8;

alter table {{schema}}."sessions"
  add column "gate_changed_in" xid8;

alter table {{schema}}."users"
  add column "unopened_organization_ids" uuid[] not null default '{}'::uuid[];

alter table {{schema}}."users"
  add column "gate_changed_in" xid8;

alter table {{schema}}."throttles"
  alter column "updated_at" set default date_trunc('hour'::text, now());

create or replace function {{schema}}.acting_user()
  returns uuid
  language sql
  stable
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select user_id from sessions where id = nullif(current_setting('app.session_id', true), '')::uuid $function$;

create or replace function {{schema}}.erase_history()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
  erased integer;
begin
  delete from audit_log where organization_id = old.id;
  get diagnostics erased = row_count;
  insert into audit_log (organization_id, request_id, action, entity_type, entity_id, before)
  values (old.id, context ->> 'request_id', 'erase', 'organizations', old.id, jsonb_build_object('events', erased));
  return null;
end $function$;

create or replace function {{schema}}.find_confirmed_user (
  wanted_email text,
  wanted_id    uuid
)
  returns uuid
  language sql
  stable
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select id from live_users where (email = wanted_email or id = wanted_id) and email_verified
    and exists (select from gate where permission = 'members:write') $function$;

create or replace function {{schema}}.gate_is_open()
  returns boolean
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  wanted constant text := coalesce(current_setting('app.permission', true), '');
  own constant xid8 := pg_current_xact_id();
begin
  if wanted = '' then
    return exists (select from sessions s join users u on u.id = s.user_id
      where s.id = nullif(current_setting('app.session_id', true), '')::uuid
        and (s.gate_changed_in = own or s.revoked_at is null and s.expires_at > now())
        and (u.gate_changed_in = own or u.disabled_at is null and u.deleted_at is null));
  end if;
  return exists (select from gate) or exists (select from sessions s
    join users u on u.id = s.user_id
    join organizations o on o.id = nullif(current_setting('app.organization_id', true), '')::uuid
    left join memberships m on m.organization_id = o.id and m.user_id = s.user_id
    where own in (s.gate_changed_in, u.gate_changed_in, o.gate_changed_in, m.gate_changed_in)
      and s.id = nullif(current_setting('app.session_id', true), '')::uuid
      and (s.gate_changed_in = own or s.revoked_at is null and s.expires_at > now())
      and (u.gate_changed_in = own or u.disabled_at is null and u.deleted_at is null)
      and (o.gate_changed_in = own
        or o.deleted_at is null and (s.gate_changed_in = own or s.second_factor_at is not null or not o.second_factor_required))
      and (m.gate_changed_in = own
        or (u.superuser or u.gate_changed_in = own) and exists (select from role_permissions p where p.permission = wanted and p.role = 'superuser')
        or m.disabled_at is null and m.deleted_at is null and (exists (select from role_permissions p where m.role_id is null and p.permission = wanted and p.role = m.role)
          or exists (select from custom_role_permissions p
            join role_permissions known on known.permission = p.permission and known.role = 'admin'
            where p.organization_id = o.id and p.role_id = m.role_id and p.permission = wanted))));
end $function$;

create or replace function {{schema}}.guard_creation()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if exists (select from memberships where organization_id = new.organization_id) then
    raise exception 'the organization has members' using errcode = '42501';
  end if;
  return new;
end $function$;

create or replace function {{schema}}.guard_membership()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  wanted constant text := coalesce(current_setting('app.permission', true), '');
  is_own constant boolean := new.user_id = acting_user();
  concerns_owners constant boolean := new.role = 'owner' or tg_op = 'UPDATE' and old.role = 'owner';
  ends_only constant boolean := tg_op = 'UPDATE' and old.deleted_at is null and new.deleted_at is not null
    and (old.role, old.role_id, old.title, old.company, old.disabled_at) is not distinct from (new.role, new.role_id, new.title, new.company, new.disabled_at);
  transfers_only constant boolean := tg_op = 'UPDATE' and new.role_id is null
    and (old.title, old.company, old.disabled_at, old.deleted_at) is not distinct from (new.title, new.company, new.disabled_at, new.deleted_at);
begin
  if nullif(current_setting('app.session_id', true), '') is null then
    return new;
  end if;
  if wanted = 'members:write' and concerns_owners
    and (tg_op = 'INSERT' or (old.role, old.disabled_at, old.deleted_at) is distinct from (new.role, new.disabled_at, new.deleted_at))
    and not exists (select from gate where organization_id = new.organization_id and role = 'owner') then
    raise exception 'only an owner decides who is an owner' using errcode = '23514', constraint = 'memberships_owner_by_owner';
  end if;
  if wanted = 'invitations:write' or wanted = 'organization:leave' and not (is_own and ends_only)
    or wanted = 'organization:transfer' and not (transfers_only and new.role = case when is_own then 'admin' else 'owner' end) then
    raise exception '% does not allow this change of a membership', wanted using errcode = '42501';
  end if;
  return new;
end $function$;

create or replace function {{schema}}.guard_organization()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  closes constant boolean := old.deleted_at is distinct from new.deleted_at;
  changes constant boolean := (old.name, old.slug, old.second_factor_required) is distinct from (new.name, new.slug, new.second_factor_required);
  wanted constant text := coalesce(current_setting('app.permission', true), '');
begin
  -- Without a permission it is the system login, which closes what an account's deletion leaves empty.
  if wanted <> '' and (closes and wanted <> 'organization:delete' or changes and wanted <> 'organization:write' or old.kind <> new.kind) then
    raise exception '% does not allow this change of an organization', wanted using errcode = '42501';
  end if;
  return new;
end $function$;

create or replace function {{schema}}.hold_users (
  ids uuid[]
)
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  id uuid;
begin
  for id in select distinct held from unnest(ids) as held where held is not null order by held loop
    perform pg_advisory_xact_lock(lock_key('revocation', id::text));
  end loop;
end $function$;

create or replace function {{schema}}.keep_an_owner()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  perform pg_advisory_xact_lock(lock_key('owners', old.organization_id::text));
  if exists (select from organizations where id = old.organization_id and deleted_at is null)
    and not exists (select from memberships where organization_id = old.organization_id and role = 'owner'
      and disabled_at is null and deleted_at is null) then
    raise exception 'an organization keeps one owner' using errcode = '23514', constraint = 'memberships_keep_an_owner';
  end if;
  return null;
end $function$;

create or replace function {{schema}}.keep_gate_changed_in()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  new.gate_changed_in := case when tg_op = 'UPDATE' then old.gate_changed_in end;
  return new;
end $function$;

create or replace function {{schema}}.keep_throttle (
  t {{schema}}.throttles
)
  returns void
  language sql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  update throttles set failures = t.failures, pending = t.pending, pending_until = t.pending_until, locked_until = t.locked_until,
    counted_since = case when t.failures > 0 then coalesce(t.counted_since, clock_timestamp()) end, updated_at = date_trunc('hour', clock_timestamp())
  where key = t.key $function$;

create or replace function {{schema}}.lock_key (
  space text,
  name  text
)
  returns bigint
  language plpgsql
  immutable
  parallel safe
  set search_path to 'pg_catalog', 'pg_temp'
  AS $function$
declare
  place constant integer := array_position(array['revocation', 'owners', 'idempotency', 'superusers', 'signing-keys', 'mail', 'product'], space);
begin
  if place is null then
    raise exception 'there is no lock space %: add it to lock_key()', space using errcode = '22023';
  end if;
  return (place::bigint << 56) | ('x' || left(encode(sha256(convert_to(name, 'UTF8')), 'hex'), 14))::bit(56)::bigint;
end $function$;

create or replace function {{schema}}.lock_revocation()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  of_user constant boolean := tg_argv[0] = 'user';
  target constant uuid := (to_jsonb(old) ->> tg_argv[1])::uuid;
  actor constant uuid := acting_user();
  organization constant text := nullif(current_setting('app.organization_id', true), '');
begin
  if of_user and target < actor then
    perform pg_advisory_xact_lock(lock_key('revocation', target::text));
  end if;
  if not of_user or target <> actor then
    perform pg_advisory_xact_lock_shared(lock_key('revocation', actor::text));
  end if;
  if not of_user or target >= coalesce(actor, target) then
    perform pg_advisory_xact_lock(lock_key('revocation', target::text));
  end if;
  if of_user and actor is not null then
    perform pg_advisory_xact_lock_shared(lock_key('revocation', organization));
  end if;
  if nullif(current_setting('app.session_id', true), '') is not null and not gate_is_open() then
    raise exception 'the gate closed before the change' using errcode = '42501';
  end if;
  if tg_op = 'DELETE' then
    return old;
  end if;
  new.gate_changed_in := pg_current_xact_id();
  return new;
end $function$;

create or replace function {{schema}}.lock_throttle (
  t       {{schema}}.throttles,
  seconds integer,
  person  uuid
)
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  counted constant jsonb := jsonb_build_object('counter', split_part(t.key, ' ', 1));
  token_id uuid;
begin
  t.locked_until := clock_timestamp() + make_interval(secs => seconds);
  perform keep_throttle(t);
  if t.key like 'address %' then
    perform record_event('address-blocked', null, null, jsonb_build_object('until', t.locked_until));
    return;
  end if;
  -- Whoever guesses codes knows the password, and a link in a mail would give the mailbox more guesses: only time helps.
  if t.key like 'mfa %' then
    perform record_event('second-factor-locked', person, null, jsonb_build_object('until', t.locked_until), true);
    return;
  end if;
  perform record_event('sign-in-locked', person, null, counted || jsonb_build_object('until', t.locked_until));
  insert into one_time_tokens (purpose, user_id, details, expires_at) values ('unlock', person, counted, t.locked_until) returning id into token_id;
  perform enqueue_job('mail', jsonb_build_object('token_id', token_id));
end $function$;

create or replace function {{schema}}.mail_invitation()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  token_id uuid;
begin
  insert into one_time_tokens (purpose, email, details, expires_at)
  values ('invitation', new.email, jsonb_build_object('organization_id', new.organization_id, 'invitation_id', new.id, 'version', new.version), new.expires_at)
  returning id into token_id;
  perform enqueue_job('mail', jsonb_build_object('token_id', token_id));
  return null;
end $function$;

create or replace function {{schema}}.open_organization()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  new.unopened_organization_ids := array_remove(new.unopened_organization_ids, new.last_organization_id);
  return new;
end $function$;

create or replace function {{schema}}.organization_table (
  name       text,
  history    text[],
  writes     text[],
  commands   text[]  default '{insert,update,delete}'::text[],
  key        text    default 'organization_id'::text,
  for_system boolean default false
)
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  line text;
  command text;
  in_setting constant text := format('%I = nullif(current_setting(''app.organization_id'', true), '''')::uuid', key);
  in_gate constant text := format('%I = (select organization_id from gate)', key);
  in_writing_gate constant text := format('%I = (select organization_id from gate where writes and permission = any (%L::text[]))', key, writes);
begin
  foreach line in array array[
    'alter table %1$I enable row level security',
    'alter table %1$I force row level security',
    -- to a role, never to public: a policy for everyone would be asked by the gate's own view, without end
    'create policy tenant_read on %1$I for select to freehold_tenant using (' || in_gate || ')',
    -- forced row-level security blinds the owner too; migrations set app.maintenance
    'create policy maintenance on %1$I to freehold_owner using (current_setting(''app.maintenance'', true) = ''on'')',
    'grant select on %1$I to freehold_tenant',
    'create trigger touch before update on %1$I for each row execute function touch()',
    'create trigger history after insert or update or delete on %1$I for each row execute function record_change(%1$L, %2$L)',
    'create constraint trigger still_open after insert or update or delete on %1$I deferrable initially deferred for each row execute function still_open()'
  ] loop
    execute format(line, name, history);
  end loop;
  if for_system then
    execute format('create policy system_read on %1$I for select to freehold_system using (true)', name);
    execute format('grant select on %1$I to freehold_system', name);
  end if;
  foreach command in array commands loop
    line := 'create policy %2$I on %1$I for %3$s to %4$I ' || case command when 'insert' then 'with check' else 'using' end || ' (%5$s)';
    execute format(line, name, 'tenant_' || command, command, 'freehold_tenant', in_writing_gate);
    execute format('grant %2$s on %1$I to freehold_tenant', name, command);
    if for_system then
      execute format(line, name, 'system_' || command, command, 'freehold_system', in_setting);
      execute format('grant %2$s on %1$I to freehold_system', name, command);
    end if;
  end loop;
end $function$;

create or replace function {{schema}}.person_table (
  name      text,
  shows     text[]  default '{}'::text[],
  changes   text[]  default '{}'::text[],
  revocable boolean default false
)
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  line text;
  own constant text := '(user_id = (select user_id from self)';
begin
  foreach line in array array[
    'alter table %1$I enable row level security',
    'create policy system on %1$I to freehold_system using (true)',
    'grant select, insert, update, delete on %1$I to freehold_system',
    'create policy self on %1$I for select to freehold_tenant using ' || own || ')',
    'grant select' || coalesce(' (' || nullif(array_to_string(shows, ', '), '') || ')', '') || ' on %1$I to freehold_tenant'
  ] loop
    execute format(line, name);
  end loop;
  if changes = '{}' then
    return;
  end if;
  foreach line in array array[
    'grant update (' || array_to_string(changes, ', ') || ') on %1$I to freehold_tenant',
    case when revocable
      then 'create policy self_revoke on %1$I for update to freehold_tenant using ' || own || ' and revoked_at is null) with check ' || own || ' and revoked_at is not null)'
      else 'create policy self_update on %1$I for update to freehold_tenant using ' || own || ')' end,
    'create constraint trigger still_open after update on %1$I deferrable initially deferred for each row execute function still_open()'
  ] loop
    execute format(line, name);
  end loop;
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
      where n.value is distinct from o.value and key not in ('version', 'updated_at', 'last_organization_id', 'unopened_organization_ids', 'gate_changed_in'))) end);
  return null;
end $function$;

create or replace function {{schema}}.record_change()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  entity constant text := tg_argv[0];
  fields constant text[] := tg_argv[1];
  old_row constant jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
  new_row constant jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) end;
  any_row constant jsonb := coalesce(new_row, old_row);
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
begin
  insert into audit_log (organization_id, actor_id, session_id, request_id, ip, user_agent, action, entity_type, entity_id, before, after)
  values (
    coalesce(any_row ->> 'organization_id', any_row ->> 'id')::uuid,
    coalesce(acting_user(), (context ->> 'user_id')::uuid), nullif(current_setting('app.session_id', true), '')::uuid,
    context ->> 'request_id', context ->> 'ip', context ->> 'user_agent',
    case when tg_op = 'UPDATE' and old_row ->> 'deleted_at' is null and new_row ->> 'deleted_at' is not null then 'delete'
      else lower(tg_op) end,
    entity, coalesce(any_row ->> 'id', any_row ->> 'user_id', any_row ->> 'role_id')::uuid,
    (select jsonb_object_agg(key, value) from jsonb_each(old_row) where key = any (fields) and (new_row is null or new_row -> key is distinct from value)),
    (select jsonb_object_agg(key, value) from jsonb_each(new_row) where key = any (fields) and (old_row is null or old_row -> key is distinct from value)));
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

create or replace function {{schema}}.still_open()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if nullif(current_setting('app.session_id', true), '') is null then
    return null;
  end if;
  perform pg_advisory_xact_lock_shared(lock_key('revocation', acting_user()::text));
  perform pg_advisory_xact_lock_shared(lock_key('revocation', nullif(current_setting('app.organization_id', true), '')));
  if gate_is_open() then
    return null;
  end if;
  raise exception 'the gate closed before the commit' using errcode = '42501';
end $function$;

alter table {{schema}}."memberships"
  add constraint "memberships_role_id" check (((role_id IS NULL) OR (role = 'member'::text)));

alter table {{schema}}."roles"
  add constraint "roles_organization_id_fkey" foreign key (organization_id)
    references {{schema}}.organizations(id) on delete cascade;

create view {{schema}}."gate" with (security_barrier=true) AS  SELECT s.id AS session_id,
    s.user_id,
    o.id AS organization_id,
    current_setting('app.permission'::text, true) AS permission,
        CASE
            WHEN (current_setting('app.permission'::text, true) !~~ 'admin:%'::text) THEN m.role
            WHEN u.superuser THEN 'superuser'::text
            ELSE NULL::text
        END AS role,
    (current_setting('app.permission'::text, true) !~~ '%:read'::text) AS writes
   FROM ((({{schema}}.sessions s
     JOIN {{schema}}.users u ON ((u.id = s.user_id)))
     JOIN {{schema}}.organizations o ON ((o.id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid)))
     LEFT JOIN LATERAL ( SELECT memberships.role,
            memberships.role_id,
                CASE
                    WHEN (memberships.role_id IS NULL) THEN memberships.role
                    ELSE NULL::text
                END AS built_in
           FROM {{schema}}.memberships
          WHERE ((memberships.organization_id = o.id) AND (memberships.user_id = s.user_id) AND (memberships.disabled_at IS NULL) AND (memberships.deleted_at IS NULL))
         OFFSET 0) m ON (true))
  WHERE ((s.id = (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid) AND (s.revoked_at IS NULL) AND (s.expires_at > now()) AND (u.disabled_at IS NULL) AND (u.deleted_at IS NULL) AND (o.deleted_at IS NULL) AND ((s.second_factor_at IS NOT NULL) OR (NOT o.second_factor_required)) AND ((EXISTS ( SELECT
           FROM {{schema}}.role_permissions p
          WHERE ((p.permission = current_setting('app.permission'::text, true)) AND (p.role = ANY (ARRAY[m.built_in,
                CASE
                    WHEN u.superuser THEN 'superuser'::text
                    ELSE NULL::text
                END]))))) OR ((m.role_id IS NOT NULL) AND (EXISTS ( SELECT
           FROM ({{schema}}.custom_role_permissions p
             JOIN {{schema}}.role_permissions known ON (((known.permission = p.permission) AND (known.role = 'admin'::text))))
          WHERE ((p.organization_id = o.id) AND (p.role_id = m.role_id) AND (p.permission = current_setting('app.permission'::text, true))))))));

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
    version
   FROM {{schema}}.users
  WHERE ((disabled_at IS NULL) AND (deleted_at IS NULL));

create view {{schema}}."self" with (security_barrier=true) AS  SELECT s.id AS session_id,
    s.user_id,
    (s.second_factor_at IS NOT NULL) AS second_factor,
    u.superuser,
    u.email_verified
   FROM ({{schema}}.sessions s
     JOIN {{schema}}.users u ON ((u.id = s.user_id)))
  WHERE ((s.id = (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid) AND (s.revoked_at IS NULL) AND (s.expires_at > now()) AND (u.disabled_at IS NULL) AND (u.deleted_at IS NULL));

create view {{schema}}."gate_state" with (security_barrier=true) AS  SELECT (EXISTS ( SELECT
           FROM {{schema}}.self)) AS live,
    ((m.user_id IS NOT NULL) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL) AND (o.deleted_at IS NULL)) AS member,
    (o.second_factor_required AND (s.second_factor_at IS NULL) AND (o.deleted_at IS NULL) AND (((m.user_id IS NOT NULL) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL)) OR u.superuser)) AS second_factor_missing,
    (EXISTS ( SELECT
           FROM {{schema}}.gate)) AS permitted
   FROM ((((( SELECT (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid AS session_id,
            (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid AS organization_id) named
     LEFT JOIN {{schema}}.sessions s ON ((s.id = named.session_id)))
     LEFT JOIN {{schema}}.users u ON ((u.id = s.user_id)))
     LEFT JOIN {{schema}}.organizations o ON ((o.id = named.organization_id)))
     LEFT JOIN {{schema}}.memberships m ON (((m.organization_id = o.id) AND (m.user_id = s.user_id))));

create view {{schema}}."own_organizations" with (security_barrier=true) AS  SELECT o.id,
    o.kind,
    o.name,
    o.slug,
    o.second_factor_required,
    o.created_at,
    o.updated_at,
    o.version,
    m.role,
    m.created_at AS joined_at,
    self.user_id
   FROM (({{schema}}.self
     JOIN {{schema}}.memberships m ON (((m.user_id = self.user_id) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL))))
     JOIN {{schema}}.organizations o ON (((o.id = m.organization_id) AND (o.deleted_at IS NULL))));

create index memberships_role on {{schema}}.memberships using btree (organization_id, role_id);

create trigger history
  after insert or delete or update on {{schema}}.custom_role_permissions
  for each row
  execute function {{schema}}.record_change('custom_role_permissions', '{role_id,permission}');

create trigger revocation
  before delete on {{schema}}.custom_role_permissions
  for each row
  execute function {{schema}}.lock_revocation('organization', 'organization_id');

create constraint TRIGGER still_open
  after insert or delete or update on {{schema}}.custom_role_permissions deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger touch
  before update on {{schema}}.custom_role_permissions
  for each row
  execute function {{schema}}.touch();

create trigger mail_insert
  after insert on {{schema}}.invitations
  for each row
  execute function {{schema}}.mail_invitation();

create trigger mail_update
  after update on {{schema}}.invitations
  for each row
  when (((old.expires_at IS DISTINCT FROM new.expires_at) AND (new.accepted_at IS NULL) AND (new.revoked_at IS NULL)))
  execute function {{schema}}.mail_invitation();

create trigger creation
  before insert on {{schema}}.memberships
  for each row
  when (((NULLIF(current_setting('app.session_id'::text, true), ''::text) IS
    NOT NULL) AND (COALESCE(current_setting('app.permission'::text, true), ''::text) = ''::text)))
  execute function {{schema}}.guard_creation();

create trigger gate_column
  before insert or update of gate_changed_in on {{schema}}.memberships
  for each row
  execute function {{schema}}.keep_gate_changed_in();

create trigger guard
  before insert or update on {{schema}}.memberships
  for each row
  execute function {{schema}}.guard_membership();

create trigger history
  after insert or delete or update on {{schema}}.memberships
  for each row
  execute function {{schema}}.record_change('memberships', '{role,role_id,disabled_at,deleted_at}');

create trigger revocation
  before update on {{schema}}.memberships
  for each row
  when
    (((old.role IS DISTINCT FROM new.role) OR (old.role_id IS DISTINCT FROM new.role_id) OR (old.disabled_at IS DISTINCT
    FROM new.disabled_at) OR (old.deleted_at IS DISTINCT FROM new.deleted_at)))
  execute function {{schema}}.lock_revocation('user', 'user_id');

create constraint TRIGGER erase_history
  after delete on {{schema}}.organizations deferrable initially deferred
  for each row
  execute function {{schema}}.erase_history();

create trigger gate_column
  before insert or update of gate_changed_in on {{schema}}.organizations
  for each row
  execute function {{schema}}.keep_gate_changed_in();

create trigger guard
  before update on {{schema}}.organizations
  for each row
  execute function {{schema}}.guard_organization();

create trigger revocation
  before update on {{schema}}.organizations
  for each row
  when
    (((old.deleted_at IS DISTINCT FROM new.deleted_at) OR (old.second_factor_required IS DISTINCT FROM
    new.second_factor_required)))
  execute function {{schema}}.lock_revocation('organization', 'id');

create constraint TRIGGER still_open
  after update on {{schema}}.passkeys deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger history
  after insert or delete or update on {{schema}}.roles
  for each row
  execute function {{schema}}.record_change('roles', '{name,description}');

create constraint TRIGGER still_open
  after insert or delete or update on {{schema}}.roles deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger touch
  before update on {{schema}}.roles
  for each row
  execute function {{schema}}.touch();

create trigger gate_column
  before insert or update of gate_changed_in on {{schema}}.sessions
  for each row
  execute function {{schema}}.keep_gate_changed_in();

create trigger revocation_second_factor
  before update on {{schema}}.sessions
  for each row
  when (((old.second_factor_at IS NOT NULL) AND (new.second_factor_at IS NULL)))
  execute function {{schema}}.lock_revocation('user', 'user_id');

create trigger revocation
  before update on {{schema}}.sessions
  for each row
  when (((old.revoked_at IS NULL) AND (new.revoked_at IS NOT NULL)))
  execute function {{schema}}.lock_revocation('user', 'user_id');

create trigger gate_column
  before insert or update of gate_changed_in on {{schema}}.users
  for each row
  execute function {{schema}}.keep_gate_changed_in();

create trigger open_organization
  before update of last_organization_id on {{schema}}.users
  for each row
  execute function {{schema}}.open_organization();

create trigger revocation
  before update on {{schema}}.users
  for each row
  when
    (((old.disabled_at IS DISTINCT FROM new.disabled_at) OR (old.deleted_at IS DISTINCT FROM new.deleted_at) OR
    (old.superuser IS DISTINCT FROM new.superuser)))
  execute function {{schema}}.lock_revocation('user', 'id');

create policy "erase" on {{schema}}."audit_log"
  for all
  to "freehold_owner"
  using ((not (exists ( select
   from {{schema}}.organizations o
  where (o.id = audit_log.organization_id)))))
  with check ((action = 'erase'::text));

create policy "forget" on {{schema}}."audit_log"
  for update
  to "freehold_system"
  using
    (((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid) AND (exists (
    select
   from {{schema}}.users u
  where ((u.id = audit_log.actor_id) AND (u.deleted_at is not null))))))
  with check (((ip IS NULL) AND (user_agent IS NULL)));

create policy "tenant_read" on {{schema}}."audit_log"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where ((gate.permission = 'audit:read'::text) or (gate.permission ~~ 'admin:%'::text)))));

create policy "gate" on {{schema}}."custom_role_permissions"
  for select
  to "freehold_owner"
  using (true);

create policy "maintenance" on {{schema}}."custom_role_permissions"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "tenant_read" on {{schema}}."custom_role_permissions"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate)));

create policy "self_revoke" on {{schema}}."devices"
  for update
  to "freehold_tenant"
  using (((user_id = ( select self.user_id
   from {{schema}}.self)) AND (revoked_at is null)))
  with check (((user_id = ( SELECT self.user_id
   FROM {{schema}}.self)) AND (revoked_at IS NOT NULL)));

create policy "self" on {{schema}}."devices"
  for select
  to "freehold_tenant"
  using ((user_id = ( select self.user_id
   from {{schema}}.self)));

create policy "self" on {{schema}}."idempotency_keys"
  for all
  to "freehold_tenant"
  using ((user_id = ( select self.user_id
   from {{schema}}.self)));

create policy "self" on {{schema}}."identities"
  for select
  to "freehold_tenant"
  using ((user_id = ( select self.user_id
   from {{schema}}.self)));

create policy "system_delete" on {{schema}}."invitations"
  for delete
  to "freehold_system"
  using ((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid));

create policy "system_insert" on {{schema}}."invitations"
  for insert
  to "freehold_system"
  with check ((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid));

create policy "system_update" on {{schema}}."invitations"
  for update
  to "freehold_system"
  using ((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid));

create policy "tenant_insert" on {{schema}}."invitations"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE (gate.writes AND (gate.permission = ANY ('{invitations:write}'::text[]))))));

create policy "tenant_read" on {{schema}}."invitations"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate)));

create policy "tenant_update" on {{schema}}."invitations"
  for update
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{invitations:write}'::text[]))))));

create policy "creation" on {{schema}}."memberships"
  for insert
  to "freehold_tenant"
  with
    check
    (((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid) AND
    (COALESCE(current_setting('app.permission'::text, true), ''::text) = ''::text) AND (role = 'owner'::text) AND
    (user_id = ( SELECT self.user_id
   FROM {{schema}}.self)) AND (deleted_at IS NULL) AND (disabled_at IS NULL)));

create policy "system_insert" on {{schema}}."memberships"
  for insert
  to "freehold_system"
  with check ((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid));

create policy "system_update" on {{schema}}."memberships"
  for update
  to "freehold_system"
  using ((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid));

create policy "tenant_insert" on {{schema}}."memberships"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE
    (gate.writes AND (gate.permission = ANY
    ('{members:write,organization:leave,organization:transfer,invitations:write}'::text[]))))));

create policy "tenant_read" on {{schema}}."memberships"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate)));

create policy "tenant_update" on {{schema}}."memberships"
  for update
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where
    (gate.writes AND (gate.permission = ANY
    ('{members:write,organization:leave,organization:transfer,invitations:write}'::text[]))))));

create policy "creation" on {{schema}}."organizations"
  for insert
  to "freehold_tenant"
  with
    check
    (((id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid) AND
    (COALESCE(current_setting('app.permission'::text, true), ''::text) = ''::text) AND (kind = 'team'::text) AND
    (NOT second_factor_required) AND (deleted_at IS NULL) AND (EXISTS ( SELECT
   FROM {{schema}}.self))));

create policy "system_delete" on {{schema}}."organizations"
  for delete
  to "freehold_system"
  using
    (((kind = 'personal'::text) AND (id = (NULLIF(current_setting('app.organization_id'::text, true),
    ''::text))::uuid)));

create policy "system_insert" on {{schema}}."organizations"
  for insert
  to "freehold_system"
  with check ((id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid));

create policy "system_update" on {{schema}}."organizations"
  for update
  to "freehold_system"
  using ((id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid));

create policy "tenant_insert" on {{schema}}."organizations"
  for insert
  to "freehold_tenant"
  with check ((id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE (gate.writes AND (gate.permission = ANY ('{organization:write,organization:delete}'::text[]))))));

create policy "tenant_read" on {{schema}}."organizations"
  for select
  to "freehold_tenant"
  using ((id = ( select gate.organization_id
   from {{schema}}.gate)));

create policy "tenant_update" on {{schema}}."organizations"
  for update
  to "freehold_tenant"
  using ((id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{organization:write,organization:delete}'::text[]))))));

create policy "self_update" on {{schema}}."passkeys"
  for update
  to "freehold_tenant"
  using ((user_id = ( select self.user_id
   from {{schema}}.self)));

create policy "self" on {{schema}}."passkeys"
  for select
  to "freehold_tenant"
  using ((user_id = ( select self.user_id
   from {{schema}}.self)));

create policy "tenant_delete" on {{schema}}."projects"
  for delete
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{projects:write}'::text[]))))));

create policy "tenant_insert" on {{schema}}."projects"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE (gate.writes AND (gate.permission = ANY ('{projects:write}'::text[]))))));

create policy "tenant_read" on {{schema}}."projects"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate)));

create policy "tenant_update" on {{schema}}."projects"
  for update
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{projects:write}'::text[]))))));

create policy "self" on {{schema}}."recovery_codes"
  for select
  to "freehold_tenant"
  using ((user_id = ( select self.user_id
   from {{schema}}.self)));

create policy "self" on {{schema}}."retired_names"
  for select
  to "freehold_tenant"
  using ((exists ( select
   from {{schema}}.self)));

create policy "system" on {{schema}}."role_permissions"
  for select
  to "freehold_system"
  using (true);

create policy "maintenance" on {{schema}}."roles"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "tenant_read" on {{schema}}."roles"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate)));

create policy "forget" on {{schema}}."security_events"
  for update
  to "freehold_system"
  using (((created_at < (now() - '30 days'::interval)) or (exists ( select
   from {{schema}}.users u
  where ((u.id = ANY (ARRAY[security_events.user_id, security_events.actor_id])) AND (u.deleted_at is not null))))))
  with check (((ip IS NULL) AND (user_agent IS NULL)));

create policy "system_delete" on {{schema}}."security_events"
  for delete
  to "freehold_system"
  using ((created_at < (now() - '30 days'::interval)));

create policy "choice" on {{schema}}."sessions"
  for update
  to "freehold_tenant"
  using (((id = ( select self.session_id
   from {{schema}}.self)) AND (revoked_at is null)))
  with check (((id = ( SELECT self.session_id
   FROM {{schema}}.self)) AND (revoked_at IS NULL)));

create policy "self_revoke" on {{schema}}."sessions"
  for update
  to "freehold_tenant"
  using (((user_id = ( select self.user_id
   from {{schema}}.self)) AND (revoked_at is null)))
  with check (((user_id = ( SELECT self.user_id
   FROM {{schema}}.self)) AND (revoked_at IS NOT NULL)));

create policy "self" on {{schema}}."sessions"
  for select
  to "freehold_tenant"
  using ((user_id = ( select self.user_id
   from {{schema}}.self)));

create policy "self" on {{schema}}."totp_factors"
  for select
  to "freehold_tenant"
  using ((user_id = ( select self.user_id
   from {{schema}}.self)));

create policy "self_update" on {{schema}}."users"
  for update
  to "freehold_tenant"
  using ((id = ( select self.user_id
   from {{schema}}.self)));

create policy "self" on {{schema}}."users"
  for select
  to "freehold_tenant"
  using ((id = ( select self.user_id
   from {{schema}}.self)));

revoke all on function {{schema}}."acting_user"() from public;

grant execute on function {{schema}}."acting_user"() to "freehold_system", "freehold_tenant";

revoke all on function {{schema}}."erase_history"() from public;

revoke all on function {{schema}}."find_confirmed_user"(text, uuid) from public;

grant execute on function {{schema}}."find_confirmed_user"(text, uuid) to "freehold_tenant";

revoke all on function {{schema}}."gate_is_open"() from public;

revoke all on function {{schema}}."guard_creation"() from public;

revoke all on function {{schema}}."guard_membership"() from public;

revoke all on function {{schema}}."guard_organization"() from public;

revoke all on function {{schema}}."hold_users"(uuid[]) from public;

grant execute on function {{schema}}."hold_users"(uuid[]) to "freehold_system", "freehold_tenant";

revoke all on function {{schema}}."keep_gate_changed_in"() from public;

revoke all on function {{schema}}."lock_key"(text, text) from public;

grant execute on function {{schema}}."lock_key"(text, text) to "freehold_system", "freehold_tenant";

revoke all on function {{schema}}."mail_invitation"() from public;

revoke all on function {{schema}}."open_organization"() from public;

revoke all
  on function {{schema}}."organization_table"(text, text[], text[], text[], text, boolean)
  from public;

revoke all on function {{schema}}."person_table"(text, text[], text[], boolean) from public;

revoke all on function {{schema}}."record_event"(text, uuid, uuid, jsonb, boolean) from public;

grant execute
  on function {{schema}}."record_event"(text, uuid, uuid, jsonb, boolean)
  to "freehold_system", "freehold_tenant";

revoke all on table {{schema}}."audit_log" from "freehold_system";

grant insert, select on table {{schema}}."audit_log" to "freehold_system";

grant select on table {{schema}}."custom_role_permissions" to "freehold_tenant";

revoke all on table {{schema}}."idempotency_keys" from "freehold_system";

grant delete, select on table {{schema}}."idempotency_keys" to "freehold_system";

revoke all on table {{schema}}."invitations" from "freehold_tenant";

grant insert, select, update on table {{schema}}."invitations" to "freehold_tenant";

revoke all on table {{schema}}."memberships" from "freehold_system";

grant insert, select, update on table {{schema}}."memberships" to "freehold_system";

revoke all on table {{schema}}."memberships" from "freehold_tenant";

grant insert, select, update on table {{schema}}."memberships" to "freehold_tenant";

revoke all on table {{schema}}."organizations" from "freehold_tenant";

grant insert, select, update on table {{schema}}."organizations" to "freehold_tenant";

grant select on table {{schema}}."role_permissions" to "freehold_system";

grant select on table {{schema}}."roles" to "freehold_tenant";

grant select on table {{schema}}."gate" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."gate_state" to "freehold_system", "freehold_tenant";

grant select, update on table {{schema}}."live_users" to "freehold_system";

grant select on table {{schema}}."own_organizations" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."self" to "freehold_system", "freehold_tenant";

alter table {{schema}}."custom_role_permissions"
  add constraint "custom_role_permissions_role_fkey" foreign key (organization_id, role_id)
    references {{schema}}.roles(organization_id, id) on delete cascade;

alter table {{schema}}."memberships"
  add constraint "memberships_role_fkey" foreign key (organization_id, role_id)
    references {{schema}}.roles(organization_id, id);

revoke all ("created_at") on table {{schema}}."idempotency_keys" from "freehold_system";

grant update ("created_at") on table {{schema}}."idempotency_keys" to "freehold_system";

revoke all ("backed_up") on table {{schema}}."passkeys" from "freehold_tenant";

grant select ("backed_up") on table {{schema}}."passkeys" to "freehold_tenant";

revoke all ("created_at") on table {{schema}}."passkeys" from "freehold_tenant";

grant select ("created_at") on table {{schema}}."passkeys" to "freehold_tenant";

revoke all ("id") on table {{schema}}."passkeys" from "freehold_tenant";

grant select ("id") on table {{schema}}."passkeys" to "freehold_tenant";

revoke all ("last_used_at") on table {{schema}}."passkeys" from "freehold_tenant";

grant select ("last_used_at") on table {{schema}}."passkeys" to "freehold_tenant";

revoke all ("name") on table {{schema}}."passkeys" from "freehold_tenant";

grant select ("name"), update ("name") on table {{schema}}."passkeys" to "freehold_tenant";

revoke all ("transports") on table {{schema}}."passkeys" from "freehold_tenant";

grant select ("transports") on table {{schema}}."passkeys" to "freehold_tenant";

revoke all ("updated_at") on table {{schema}}."passkeys" from "freehold_tenant";

grant select ("updated_at") on table {{schema}}."passkeys" to "freehold_tenant";

revoke all ("user_id") on table {{schema}}."passkeys" from "freehold_tenant";

grant select ("user_id") on table {{schema}}."passkeys" to "freehold_tenant";

revoke all ("version") on table {{schema}}."passkeys" from "freehold_tenant";

grant select ("version") on table {{schema}}."passkeys" to "freehold_tenant";

revoke all ("used_at") on table {{schema}}."recovery_codes" from "freehold_tenant";

grant select ("used_at") on table {{schema}}."recovery_codes" to "freehold_tenant";

revoke all ("user_id") on table {{schema}}."recovery_codes" from "freehold_tenant";

grant select ("user_id") on table {{schema}}."recovery_codes" to "freehold_tenant";

revoke all ("digest") on table {{schema}}."retired_names" from "freehold_tenant";

grant select ("digest") on table {{schema}}."retired_names" to "freehold_tenant";

revoke all ("organization_id") on table {{schema}}."sessions" from "freehold_tenant";

grant select ("organization_id"), update ("organization_id")
  on table {{schema}}."sessions"
  to "freehold_tenant";

revoke all ("confirmed_at") on table {{schema}}."totp_factors" from "freehold_tenant";

grant select ("confirmed_at") on table {{schema}}."totp_factors" to "freehold_tenant";

revoke all ("user_id") on table {{schema}}."totp_factors" from "freehold_tenant";

grant select ("user_id") on table {{schema}}."totp_factors" to "freehold_tenant";

grant update ("ip") on table {{schema}}."audit_log" to "freehold_system";

grant update ("user_agent") on table {{schema}}."audit_log" to "freehold_system";
