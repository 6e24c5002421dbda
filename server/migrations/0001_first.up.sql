-- first

set local check_function_bodies = off;

create sequence {{schema}}."audit_sequence" as bigint increment by 1 minvalue 1 maxvalue
  9223372036854775807 START with 1 cache 1 no cycle;

create table {{schema}}."audit_log" (
  "organization_id" uuid   not null,
  "id"              uuid   not null,
  "transaction"     xid8   not null,
  "sequence"        bigint not null,
  "actor_id"        uuid,
  "session_id"      uuid,
  "request_id"      text,
  "ip"              text,
  "user_agent"      text,
  "action"          text   not null,
  "entity_type"     text   not null,
  "entity_id"       uuid,
  "before"          jsonb,
  "after"           jsonb
) partition by range (id);

create table {{schema}}."audit_log_default" partition of {{schema}}."audit_log" default;

alter table {{schema}}."audit_log"
  enable row level security;

alter table {{schema}}."audit_log"
  force row level security;

create table {{schema}}."idempotency_keys" (
  "user_id"         uuid                     not null,
  "route"           text                     not null,
  "key"             text                     not null,
  "organization_id" uuid,
  "request_hash"    text                     not null,
  "result"          jsonb                    not null,
  "created_at"      timestamp with time zone not null default now(),
  constraint "idempotency_keys_pkey" primary key (user_id, route, key)
);

alter table {{schema}}."idempotency_keys"
  enable row level security;

create table {{schema}}."memberships" (
  "organization_id" uuid                     not null,
  "user_id"         uuid                     not null,
  "role"            text                     not null,
  "title"           text,
  "company"         text,
  "disabled_at"     timestamp with time zone,
  "deleted_at"      timestamp with time zone,
  "created_at"      timestamp with time zone not null default now(),
  "updated_at"      timestamp with time zone not null default now(),
  "version"         integer                  not null default 1,
  constraint "memberships_pkey" primary key (organization_id, user_id),
  constraint "memberships_role_check"
    check ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'member'::text, 'viewer'::text])))
);

alter table {{schema}}."memberships"
  enable row level security;

alter table {{schema}}."memberships"
  force row level security;

create table {{schema}}."organizations" (
  "kind"       text                     not null default 'team'::text,
  "name"       text                     not null,
  "slug"       text                     not null,
  "deleted_at" timestamp with time zone,
  "created_at" timestamp with time zone not null default now(),
  "updated_at" timestamp with time zone not null default now(),
  "version"    integer                  not null default 1,
  constraint "organizations_kind_check" check ((kind = ANY (ARRAY['personal'::text, 'team'::text])))
);

alter table {{schema}}."organizations"
  enable row level security;

alter table {{schema}}."organizations"
  force row level security;

create table {{schema}}."projects" (
  "organization_id" uuid                     not null,
  "name"            text                     not null,
  "slug"            text                     not null,
  "description"     text,
  "status"          text                     not null default 'active'::text,
  "created_by"      uuid,
  "created_at"      timestamp with time zone not null default now(),
  "updated_at"      timestamp with time zone not null default now(),
  "version"         integer                  not null default 1,
  constraint "projects_slug_key" unique (organization_id, slug),
  constraint "projects_status_check" check ((status = ANY (ARRAY['active'::text, 'archived'::text])))
);

alter table {{schema}}."projects"
  enable row level security;

alter table {{schema}}."projects"
  force row level security;

create table {{schema}}."security_events" (
  "type"       text                     not null,
  "user_id"    uuid,
  "session_id" uuid,
  "actor_id"   uuid,
  "request_id" text,
  "ip"         text,
  "user_agent" text,
  "details"    jsonb,
  "created_at" timestamp with time zone not null default now()
);

alter table {{schema}}."security_events"
  enable row level security;

create table {{schema}}."sessions" (
  "user_id"          uuid                       not null,
  "organization_id"  uuid,
  "generation"       integer                    not null default 1,
  "rotated_at"       timestamp with time zone[] not null default '{}'::timestamp with time zone[],
  "authenticated_at" timestamp with time zone   not null default now(),
  "user_agent"       text,
  "ip"               text,
  "created_at"       timestamp with time zone   not null default now(),
  "last_seen_at"     timestamp with time zone   not null default now(),
  "expires_at"       timestamp with time zone   not null,
  "revoked_at"       timestamp with time zone,
  "revoked_reason"   text
);

alter table {{schema}}."sessions"
  enable row level security;

create table {{schema}}."signing_keys" (
  "id"          text                     not null,
  "algorithm"   text                     not null,
  "public_key"  text,
  "private_key" bytea                    not null,
  "created_at"  timestamp with time zone not null default now(),
  "retired_at"  timestamp with time zone,
  constraint "signing_keys_pkey" primary key (id)
);

alter table {{schema}}."signing_keys"
  enable row level security;

create table {{schema}}."users" (
  "email"                text                     not null,
  "username"             text,
  "password_hash"        text,
  "given_name"           text,
  "family_name"          text,
  "full_name"            text,
  "superuser"            boolean                  not null default false,
  "email_verified_at"    timestamp with time zone,
  "last_organization_id" uuid,
  "disabled_at"          timestamp with time zone,
  "deleted_at"           timestamp with time zone,
  "created_at"           timestamp with time zone not null default now(),
  "updated_at"           timestamp with time zone not null default now(),
  "version"              integer                  not null default 1,
  constraint "users_email_check" check ((email = lower(email))),
  constraint "users_email_key" unique (email),
  constraint "users_username_check" check ((username = lower(username))),
  constraint "users_username_key" unique (username)
);

alter table {{schema}}."users"
  enable row level security;

alter table {{schema}}."users"
  add column "email_verified" boolean generated always as ((email_verified_at is not null)) stored not null;

alter table {{schema}}."audit_log"
  alter column "sequence" set default nextval('{{schema}}.audit_sequence'::regclass);

alter table {{schema}}."audit_log"
  alter column "transaction" set default pg_current_xact_id();

create or replace function {{schema}}.closed_gate (
  actor        uuid,
  organization uuid
)
  returns boolean
  language sql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select exists (select from pg_locks where locktype = 'advisory' and pid = pg_backend_pid() and mode = 'ExclusiveLock' and granted
    and objsubid = 1 and (classid::bigint << 32 | objid::bigint) in (revocation_key(actor), revocation_key(organization))) $function$;

create or replace function {{schema}}.gate_is_open (
  actor        uuid,
  organization uuid
)
  returns boolean
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  perform pg_advisory_xact_lock_shared(revocation_key(actor)), pg_advisory_xact_lock_shared(revocation_key(organization));
  return case when coalesce(current_setting('app.permission', true), '') = '' then exists (select from self) else exists (select from gate) end;
end $function$;

create or replace function {{schema}}.keep_an_owner()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  perform pg_advisory_xact_lock(hashtextextended('owners ' || old.organization_id, 0));
  if exists (select from organizations where id = old.organization_id and deleted_at is null)
    and not exists (select from memberships where organization_id = old.organization_id and role = 'owner'
      and disabled_at is null and deleted_at is null) then
    raise exception 'an organization keeps one owner' using errcode = '23514', constraint = 'memberships_keep_an_owner';
  end if;
  return null;
end $function$;

create or replace function {{schema}}.lock_revocation()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  session_named constant uuid := nullif(current_setting('app.session_id', true), '')::uuid;
  organization constant uuid := nullif(current_setting('app.organization_id', true), '')::uuid;
  actor constant uuid := (select user_id from sessions where id = session_named);
  is_first constant boolean := session_named is not null and not closed_gate(actor, organization);
begin
  perform pg_advisory_xact_lock(revocation_key((to_jsonb(old) ->> tg_argv[0])::uuid));
  if is_first and not gate_is_open(actor, organization) then
    raise exception 'the gate closed before the change' using errcode = '42501';
  end if;
  return new;
end $function$;

create or replace function {{schema}}.new_id()
  returns uuid
  language sql
  parallel safe
  set search_path to 'pg_catalog', 'pg_temp'
  AS $function$
  select encode(overlay(uuid_send(gen_random_uuid())
    placing int8send(((us / 1000) << 16) | 28672 | ((us % 1000) * 4096 / 1000)) from 1 for 8), 'hex')::uuid
  from (select (extract(epoch from clock_timestamp()) * 1000000)::bigint as us) as now $function$;

create or replace function {{schema}}.organization_table (
  name    text,
  history text[],
  key     text   default 'organization_id'::text
)
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  line text;
  in_setting constant text := format('%I = nullif(current_setting(''app.organization_id'', true), '''')::uuid', key);
  in_gate constant text := format('%I = (select organization_id from gate)', key);
  in_writing_gate constant text := format('%I = (select organization_id from gate where writes)', key);
begin
  foreach line in array array[
    'alter table %1$I enable row level security',
    'alter table %1$I force row level security',
    -- to a role, never to public: a policy for everyone would be asked by the gate's own view, without end
    'create policy tenant_read on %1$I for select to freehold_tenant using (' || in_gate || ')',
    'create policy tenant_insert on %1$I for insert to freehold_tenant with check (' || in_writing_gate || ')',
    'create policy tenant_update on %1$I for update to freehold_tenant using (' || in_writing_gate || ')',
    'create policy tenant_delete on %1$I for delete to freehold_tenant using (' || in_writing_gate || ')',
    'create policy system_read on %1$I for select to freehold_system using (true)',
    'create policy system_write on %1$I to freehold_system using (' || in_setting || ')',
    -- forced row-level security blinds the owner too; migrations set app.maintenance
    'create policy maintenance on %1$I to freehold_owner using (current_setting(''app.maintenance'', true) = ''on'')',
    'grant select, insert, update, delete on %1$I to freehold_tenant, freehold_system',
    'create trigger touch before update on %1$I for each row execute function touch()',
    'create trigger history after insert or update or delete on %1$I for each row execute function record_change(%1$L, %2$L)',
    'create constraint trigger still_open after insert or update or delete on %1$I deferrable initially deferred for each row execute function still_open()'
  ] loop
    execute format(line, name, history);
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
      where n.value is distinct from o.value and key not in ('version', 'updated_at', 'last_organization_id'))) end);
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
    (context ->> 'user_id')::uuid, nullif(current_setting('app.session_id', true), '')::uuid,
    context ->> 'request_id', context ->> 'ip', context ->> 'user_agent',
    case when tg_op = 'UPDATE' and old_row ->> 'deleted_at' is null and new_row ->> 'deleted_at' is not null then 'delete'
      else lower(tg_op) end,
    entity, coalesce(any_row ->> 'id', any_row ->> 'user_id')::uuid,
    (select jsonb_object_agg(key, value) from jsonb_each(old_row) where key = any (fields) and (new_row is null or new_row -> key is distinct from value)),
    (select jsonb_object_agg(key, value) from jsonb_each(new_row) where key = any (fields) and (old_row is null or old_row -> key is distinct from value)));
  return null;
end $function$;

create or replace function {{schema}}.record_event (
  type       text,
  user_id    uuid,
  session_id uuid,
  details    jsonb default null::jsonb
)
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
begin
  insert into security_events (type, user_id, session_id, actor_id, request_id, ip, user_agent, details)
  values (type, user_id, session_id, (context ->> 'user_id')::uuid, context ->> 'request_id', context ->> 'ip', context ->> 'user_agent', details);
end $function$;

create or replace function {{schema}}.record_session()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if tg_op = 'INSERT' then
    perform record_event('session-created', new.user_id, new.id);
  else
    perform record_event('session-revoked', new.user_id, new.id, jsonb_build_object('reason', new.revoked_reason));
  end if;
  return null;
end $function$;

create or replace function {{schema}}.revocation_key (
  id uuid
)
  returns bigint
  language sql
  immutable
  parallel safe
  set search_path to 'pg_catalog', 'pg_temp'
  AS $function$
  select hashtextextended('revocation ' || id, 0) $function$;

create or replace function {{schema}}.still_open()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  session_named constant uuid := nullif(current_setting('app.session_id', true), '')::uuid;
  organization constant uuid := nullif(current_setting('app.organization_id', true), '')::uuid;
  actor constant uuid := (select user_id from sessions where id = session_named);
begin
  if session_named is null or gate_is_open(actor, organization) or closed_gate(actor, organization) then
    return null;
  end if;
  raise exception 'the gate closed before the commit' using errcode = '42501';
end $function$;

create or replace function {{schema}}.touch()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  new.updated_at := now();
  new.version := old.version + 1;
  return new;
end $function$;

alter table {{schema}}."audit_log"
  add constraint "audit_log_pkey" primary key (organization_id, id);

alter table {{schema}}."projects"
  add constraint "projects_created_by_fkey" foreign key (organization_id, created_by)
    references {{schema}}.memberships(organization_id, user_id);

create view {{schema}}."role_permissions" AS  SELECT '{"audit:read": ["admin", "owner"], "members:read": ["viewer", "member", "admin", "owner"], "members:write": ["admin", "owner"], "projects:read": ["viewer", "member", "admin", "owner"], "projects:write": ["member", "admin", "owner"], "admin:audit:read": ["superuser"], "organization:read": ["viewer", "member", "admin", "owner"], "organization:leave": ["viewer", "member", "admin", "owner"], "organization:write": ["admin", "owner"], "organization:delete": ["owner"], "organization:transfer": ["owner"]}'::jsonb AS holders;

create index audit_log_actor on only {{schema}}.audit_log using btree (organization_id, actor_id, id);

create index audit_log_entity on only {{schema}}.audit_log
  using btree (organization_id, entity_type, entity_id, id);

create index audit_log_request on only {{schema}}.audit_log using btree (organization_id, request_id);

create index memberships_user_id on {{schema}}.memberships using btree (user_id);

create unique index organizations_slug_key on {{schema}}.organizations using btree (slug)
  where (deleted_at is null);

create index projects_created_by on {{schema}}.projects using btree (organization_id, created_by);

create trigger history
  after insert or delete or update on {{schema}}.memberships
  for each row
  execute function {{schema}}.record_change('memberships', '{role,title,company,disabled_at,deleted_at}');

create trigger keep_an_owner_delete
  after delete on {{schema}}.memberships
  for each row
  when (((old.role = 'owner'::text) AND (old.disabled_at IS NULL) AND (old.deleted_at IS NULL)))
  execute function {{schema}}.keep_an_owner();

create trigger keep_an_owner_update
  after update on {{schema}}.memberships
  for each row
  when
    (((old.role = 'owner'::text) AND (old.disabled_at IS NULL) AND (old.deleted_at IS NULL) AND ((new.role <>
    'owner'::text) OR (new.disabled_at IS NOT NULL) OR (new.deleted_at IS NOT NULL))))
  execute function {{schema}}.keep_an_owner();

create trigger revocation
  before update on {{schema}}.memberships
  for each row
  when
    (((old.role IS DISTINCT FROM new.role) OR (old.disabled_at IS DISTINCT FROM new.disabled_at) OR (old.deleted_at IS
    DISTINCT FROM new.deleted_at)))
  execute function {{schema}}.lock_revocation('user_id');

create constraint TRIGGER still_open
  after insert or delete or update on {{schema}}.memberships deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger touch
  before update on {{schema}}.memberships
  for each row
  execute function {{schema}}.touch();

create trigger history
  after insert or delete or update on {{schema}}.organizations
  for each row
  execute function {{schema}}.record_change('organizations', '{name,slug,kind,deleted_at}');

create trigger revocation
  before update on {{schema}}.organizations
  for each row
  when ((old.deleted_at IS DISTINCT FROM new.deleted_at))
  execute function {{schema}}.lock_revocation('id');

create constraint TRIGGER still_open
  after insert or delete or update on {{schema}}.organizations deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger touch
  before update on {{schema}}.organizations
  for each row
  execute function {{schema}}.touch();

create trigger history
  after insert or delete or update on {{schema}}.projects
  for each row
  execute function {{schema}}.record_change('projects', '{name,slug,description,status,created_by}');

create constraint TRIGGER still_open
  after insert or delete or update on {{schema}}.projects deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger touch
  before update on {{schema}}.projects
  for each row
  execute function {{schema}}.touch();

create trigger event_insert
  after insert on {{schema}}.sessions
  for each row
  execute function {{schema}}.record_session();

create trigger event_revoke
  after update on {{schema}}.sessions
  for each row
  when (((old.revoked_at IS NULL) AND (new.revoked_at IS NOT NULL)))
  execute function {{schema}}.record_session();

create trigger revocation
  before update on {{schema}}.sessions
  for each row
  when (((old.revoked_at IS NULL) AND (new.revoked_at IS NOT NULL)))
  execute function {{schema}}.lock_revocation('user_id');

create constraint TRIGGER still_open
  after update on {{schema}}.sessions deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger event_insert
  after insert on {{schema}}.users
  for each row
  execute function {{schema}}.record_account();

create trigger event_update
  after update on {{schema}}.users
  for each row
  when
    (((old.email IS DISTINCT FROM new.email) OR (old.username IS DISTINCT FROM new.username) OR (old.password_hash IS
    DISTINCT FROM new.password_hash) OR (old.given_name IS DISTINCT FROM new.given_name) OR
    (old.family_name IS DISTINCT FROM new.family_name) OR (old.full_name IS DISTINCT FROM new.full_name) OR
    (old.superuser IS DISTINCT FROM new.superuser) OR (old.email_verified_at IS DISTINCT FROM new.email_verified_at) OR
    (old.disabled_at IS DISTINCT FROM new.disabled_at) OR (old.deleted_at IS DISTINCT FROM new.deleted_at)))
  execute function {{schema}}.record_account();

create trigger revocation
  before update on {{schema}}.users
  for each row
  when
    (((old.disabled_at IS DISTINCT FROM new.disabled_at) OR (old.deleted_at IS DISTINCT FROM new.deleted_at) OR
    (old.superuser IS DISTINCT FROM new.superuser)))
  execute function {{schema}}.lock_revocation('id');

create constraint TRIGGER still_open
  after update on {{schema}}.users deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger touch
  before update of email,
    username,
    password_hash,
    given_name,
    family_name, full_name, superuser, email_verified_at, disabled_at, deleted_at on {{schema}}.users
  for each row
  execute function {{schema}}.touch();

create policy "history" on {{schema}}."audit_log"
  for insert
  to PUBLIC
  with
    check
    (((pg_trigger_depth() > 0) AND (organization_id = (NULLIF(current_setting('app.organization_id'::text, true),
    ''::text))::uuid)));

create policy "maintenance" on {{schema}}."audit_log"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "system_read" on {{schema}}."audit_log"
  for select
  to "freehold_system"
  using (true);

create policy "system" on {{schema}}."idempotency_keys"
  for all
  to "freehold_system"
  using (true);

create policy "gate" on {{schema}}."memberships"
  for select
  to "freehold_owner"
  using (true);

create policy "maintenance" on {{schema}}."memberships"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "system_read" on {{schema}}."memberships"
  for select
  to "freehold_system"
  using (true);

create policy "system_write" on {{schema}}."memberships"
  for all
  to "freehold_system"
  using ((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid));

create policy "gate" on {{schema}}."organizations"
  for select
  to "freehold_owner"
  using (true);

create policy "maintenance" on {{schema}}."organizations"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "system_read" on {{schema}}."organizations"
  for select
  to "freehold_system"
  using (true);

create policy "maintenance" on {{schema}}."projects"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "system_read" on {{schema}}."projects"
  for select
  to "freehold_system"
  using (true);

create policy "system_write" on {{schema}}."projects"
  for all
  to "freehold_system"
  using ((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid));

create policy "history" on {{schema}}."security_events"
  for insert
  to PUBLIC
  with check ((pg_trigger_depth() > 0));

create policy "system" on {{schema}}."security_events"
  for all
  to "freehold_system"
  using (true);

create policy "system" on {{schema}}."sessions"
  for all
  to "freehold_system"
  using (true);

create policy "system" on {{schema}}."signing_keys"
  for all
  to "freehold_system"
  using (true);

create policy "system" on {{schema}}."users"
  for all
  to "freehold_system"
  using (true);

revoke all on function {{schema}}."closed_gate"(uuid, uuid) from public;

revoke all on function {{schema}}."gate_is_open"(uuid, uuid) from public;

revoke all on function {{schema}}."keep_an_owner"() from public;

revoke all on function {{schema}}."lock_revocation"() from public;

revoke all on function {{schema}}."new_id"() from public;

grant execute on function {{schema}}."new_id"() to "freehold_system", "freehold_tenant";

revoke all on function {{schema}}."organization_table"(text, text[], text) from public;

revoke all on function {{schema}}."record_account"() from public;

revoke all on function {{schema}}."record_change"() from public;

revoke all on function {{schema}}."record_event"(text, uuid, uuid, jsonb) from public;

grant execute
  on function {{schema}}."record_event"(text, uuid, uuid, jsonb)
  to "freehold_system", "freehold_tenant";

revoke all on function {{schema}}."record_session"() from public;

revoke all on function {{schema}}."revocation_key"(uuid) from public;

revoke all on function {{schema}}."still_open"() from public;

revoke all on function {{schema}}."touch"() from public;

revoke all on schema {{schema}} from "freehold_system";

grant usage on schema {{schema}} to "freehold_system";

revoke all on schema {{schema}} from "freehold_tenant";

grant usage on schema {{schema}} to "freehold_tenant";

grant usage on sequence {{schema}}."audit_sequence" to "freehold_system", "freehold_tenant";

grant insert, select on table {{schema}}."audit_log" to "freehold_system", "freehold_tenant";

grant delete, insert, select, update
  on table {{schema}}."idempotency_keys"
  to "freehold_system", "freehold_tenant";

grant delete, insert, select, update
  on table {{schema}}."memberships"
  to "freehold_system", "freehold_tenant";

grant delete, insert, select, update
  on table {{schema}}."organizations"
  to "freehold_system", "freehold_tenant";

grant delete, insert, select, update
  on table {{schema}}."projects"
  to "freehold_system", "freehold_tenant";

grant delete, insert, select on table {{schema}}."security_events" to "freehold_system";

grant insert on table {{schema}}."security_events" to "freehold_tenant";

grant delete, insert, select, update on table {{schema}}."sessions" to "freehold_system";

grant select ("authenticated_at") on table {{schema}}."sessions" to "freehold_tenant";

grant select ("created_at") on table {{schema}}."sessions" to "freehold_tenant";

grant select ("expires_at") on table {{schema}}."sessions" to "freehold_tenant";

grant select ("ip") on table {{schema}}."sessions" to "freehold_tenant";

grant select ("last_seen_at") on table {{schema}}."sessions" to "freehold_tenant";

grant select ("organization_id") on table {{schema}}."sessions" to "freehold_tenant";

grant select ("revoked_at"), update ("revoked_at") on table {{schema}}."sessions" to "freehold_tenant";

grant select ("revoked_reason"), update ("revoked_reason")
  on table {{schema}}."sessions"
  to "freehold_tenant";

grant select ("user_agent") on table {{schema}}."sessions" to "freehold_tenant";

grant select ("user_id") on table {{schema}}."sessions" to "freehold_tenant";

grant delete, insert, select, update on table {{schema}}."signing_keys" to "freehold_system";

grant insert, select, update on table {{schema}}."users" to "freehold_system";

grant select ("created_at") on table {{schema}}."users" to "freehold_tenant";

grant select ("deleted_at") on table {{schema}}."users" to "freehold_tenant";

grant select ("disabled_at") on table {{schema}}."users" to "freehold_tenant";

grant select ("email_verified") on table {{schema}}."users" to "freehold_tenant";

grant select ("email") on table {{schema}}."users" to "freehold_tenant";

grant select ("family_name"), update ("family_name") on table {{schema}}."users" to "freehold_tenant";

grant select ("full_name"), update ("full_name") on table {{schema}}."users" to "freehold_tenant";

grant select ("given_name"), update ("given_name") on table {{schema}}."users" to "freehold_tenant";

grant update ("last_organization_id") on table {{schema}}."users" to "freehold_tenant";

grant select ("superuser") on table {{schema}}."users" to "freehold_tenant";

grant select ("updated_at") on table {{schema}}."users" to "freehold_tenant";

grant select ("username"), update ("username") on table {{schema}}."users" to "freehold_tenant";

grant select ("version") on table {{schema}}."users" to "freehold_tenant";

alter table {{schema}}."organizations"
  add column "id" uuid not null default {{schema}}.new_id();

alter table {{schema}}."organizations"
  add constraint "organizations_pkey" primary key (id);

alter table {{schema}}."memberships"
  add constraint "memberships_organization_id_fkey" foreign key (organization_id)
    references {{schema}}.organizations(id) on delete cascade;

alter table {{schema}}."projects"
  add constraint "projects_organization_id_fkey" foreign key (organization_id)
    references {{schema}}.organizations(id) on delete cascade;

create policy "system_write" on {{schema}}."organizations"
  for all
  to "freehold_system"
  using ((id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid));

alter table {{schema}}."projects"
  add column "id" uuid not null default {{schema}}.new_id();

alter table {{schema}}."projects"
  add constraint "projects_pkey" primary key (organization_id, id);

create index projects_name on {{schema}}.projects using btree (organization_id, name, id);

alter table {{schema}}."security_events"
  add column "id" uuid not null default {{schema}}.new_id();

alter table {{schema}}."security_events"
  add constraint "security_events_pkey" primary key (id);

create index security_events_user_id on {{schema}}.security_events using btree (user_id, id);

alter table {{schema}}."sessions"
  add column "id" uuid not null default {{schema}}.new_id();

alter table {{schema}}."sessions"
  add constraint "sessions_pkey" primary key (id);

create index sessions_user_id on {{schema}}.sessions using btree (user_id, id);

grant select ("id") on table {{schema}}."sessions" to "freehold_tenant";

alter table {{schema}}."users"
  add column "id" uuid not null default {{schema}}.new_id();

alter table {{schema}}."users"
  add constraint "users_pkey" primary key (id);

alter table {{schema}}."idempotency_keys"
  add constraint "idempotency_keys_user_id_fkey" foreign key (user_id) references {{schema}}.users(id)
    on delete cascade;

alter table {{schema}}."memberships"
  add constraint "memberships_user_id_fkey" foreign key (user_id) references {{schema}}.users(id);

alter table {{schema}}."sessions"
  add constraint "sessions_user_id_fkey" foreign key (user_id) references {{schema}}.users(id);

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
   FROM (((({{schema}}.sessions s
     JOIN {{schema}}.users u ON ((u.id = s.user_id)))
     JOIN {{schema}}.organizations o ON ((o.id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid)))
     LEFT JOIN LATERAL ( SELECT memberships.role
           FROM {{schema}}.memberships
          WHERE ((memberships.organization_id = o.id) AND (memberships.user_id = s.user_id) AND (memberships.disabled_at IS NULL) AND (memberships.deleted_at IS NULL))
         OFFSET 0) m ON (true))
     CROSS JOIN {{schema}}.role_permissions)
  WHERE ((s.id = (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid) AND (s.revoked_at IS NULL) AND (s.expires_at > now()) AND (u.disabled_at IS NULL) AND (u.deleted_at IS NULL) AND (o.deleted_at IS NULL) AND ((role_permissions.holders -> current_setting('app.permission'::text, true)) ?| ARRAY[m.role,
        CASE
            WHEN u.superuser THEN 'superuser'::text
            ELSE NULL::text
        END]));

create view {{schema}}."self" with (security_barrier=true) AS  SELECT s.id AS session_id,
    s.user_id
   FROM ({{schema}}.sessions s
     JOIN {{schema}}.users u ON ((u.id = s.user_id)))
  WHERE ((s.id = (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid) AND (s.revoked_at IS NULL) AND (s.expires_at > now()) AND (u.disabled_at IS NULL) AND (u.deleted_at IS NULL));

create view {{schema}}."gate_state" with (security_barrier=true) AS  SELECT (EXISTS ( SELECT
           FROM {{schema}}.self)) AS live,
    ((m.user_id IS NOT NULL) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL) AND (o.deleted_at IS NULL)) AS member,
    (EXISTS ( SELECT
           FROM {{schema}}.gate)) AS permitted
   FROM (((( SELECT (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid AS session_id,
            (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid AS organization_id) named
     LEFT JOIN {{schema}}.sessions s ON ((s.id = named.session_id)))
     LEFT JOIN {{schema}}.organizations o ON ((o.id = named.organization_id)))
     LEFT JOIN {{schema}}.memberships m ON (((m.organization_id = o.id) AND (m.user_id = s.user_id))));

create view {{schema}}."own_organizations" with (security_barrier=true) AS  SELECT o.id,
    o.kind,
    o.name,
    o.slug,
    o.created_at,
    o.updated_at,
    o.version,
    m.role,
    m.created_at AS joined_at,
    self.user_id
   FROM (({{schema}}.self
     JOIN {{schema}}.memberships m ON (((m.user_id = self.user_id) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL))))
     JOIN {{schema}}.organizations o ON (((o.id = m.organization_id) AND (o.deleted_at IS NULL))));

create policy "tenant_read" on {{schema}}."audit_log"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where ((gate.permission = 'audit:read'::text) or (gate.permission ~~ 'admin:%'::text)))));

create policy "self" on {{schema}}."idempotency_keys"
  for all
  to "freehold_tenant"
  using ((user_id = ( select self.user_id
   from {{schema}}.self)));

create policy "tenant_delete" on {{schema}}."memberships"
  for delete
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.writes)));

create policy "tenant_insert" on {{schema}}."memberships"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE gate.writes)));

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
  where gate.writes)));

create policy "tenant_delete" on {{schema}}."organizations"
  for delete
  to "freehold_tenant"
  using ((id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.writes)));

create policy "tenant_insert" on {{schema}}."organizations"
  for insert
  to "freehold_tenant"
  with check ((id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE gate.writes)));

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
  where gate.writes)));

create policy "tenant_delete" on {{schema}}."projects"
  for delete
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.writes)));

create policy "tenant_insert" on {{schema}}."projects"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE gate.writes)));

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
  where gate.writes)));

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

create policy "colleagues" on {{schema}}."users"
  for select
  to "freehold_tenant"
  using ((exists ( select
   from {{schema}}.memberships m
  where (m.user_id = users.id)
 OFFSET 0)));

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

grant select ("id") on table {{schema}}."users" to "freehold_tenant";

grant select on table {{schema}}."gate" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."gate_state" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."own_organizations" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."self" to "freehold_system", "freehold_tenant";

alter table {{schema}}."audit_log"
  alter column "id" set default {{schema}}.new_id();
