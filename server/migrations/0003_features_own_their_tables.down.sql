-- Takes 0003_features_own_their_tables back.
-- loses: custom_role_permissions
-- loses: role_permissions
-- loses: roles
-- loses: memberships.gate_changed_in
-- loses: memberships.role_id
-- loses: organizations.gate_changed_in
-- loses: sessions.gate_changed_in
-- loses: users.gate_changed_in
-- loses: users.unopened_organization_ids

set local check_function_bodies = off;

drop policy "erase" on {{schema}}."audit_log";

drop policy "forget" on {{schema}}."audit_log";

drop policy "tenant_read" on {{schema}}."audit_log";

drop policy "tenant_read" on {{schema}}."custom_role_permissions";

drop policy "self_revoke" on {{schema}}."devices";

drop policy "self" on {{schema}}."devices";

drop policy "self" on {{schema}}."idempotency_keys";

drop policy "self" on {{schema}}."identities";

drop policy "system_delete" on {{schema}}."invitations";

drop policy "system_insert" on {{schema}}."invitations";

drop policy "system_update" on {{schema}}."invitations";

drop policy "tenant_insert" on {{schema}}."invitations";

drop policy "tenant_read" on {{schema}}."invitations";

drop policy "tenant_update" on {{schema}}."invitations";

drop policy "creation" on {{schema}}."memberships";

drop policy "system_insert" on {{schema}}."memberships";

drop policy "system_update" on {{schema}}."memberships";

drop policy "tenant_insert" on {{schema}}."memberships";

drop policy "tenant_read" on {{schema}}."memberships";

drop policy "tenant_update" on {{schema}}."memberships";

drop policy "creation" on {{schema}}."organizations";

drop policy "system_delete" on {{schema}}."organizations";

drop policy "system_insert" on {{schema}}."organizations";

drop policy "system_update" on {{schema}}."organizations";

drop policy "tenant_insert" on {{schema}}."organizations";

drop policy "tenant_read" on {{schema}}."organizations";

drop policy "tenant_update" on {{schema}}."organizations";

drop policy "self_update" on {{schema}}."passkeys";

drop policy "self" on {{schema}}."passkeys";

drop policy "tenant_delete" on {{schema}}."projects";

drop policy "tenant_insert" on {{schema}}."projects";

drop policy "tenant_read" on {{schema}}."projects";

drop policy "tenant_update" on {{schema}}."projects";

drop policy "self" on {{schema}}."recovery_codes";

drop policy "self" on {{schema}}."retired_names";

drop policy "tenant_read" on {{schema}}."roles";

drop policy "forget" on {{schema}}."security_events";

drop policy "system_delete" on {{schema}}."security_events";

drop policy "choice" on {{schema}}."sessions";

drop policy "self_revoke" on {{schema}}."sessions";

drop policy "self" on {{schema}}."sessions";

drop policy "self" on {{schema}}."totp_factors";

drop policy "self_update" on {{schema}}."users";

drop policy "self" on {{schema}}."users";

drop trigger "mail_insert" on {{schema}}."invitations";

drop trigger "mail_update" on {{schema}}."invitations";

drop trigger "creation" on {{schema}}."memberships";

drop trigger "gate_column" on {{schema}}."memberships";

drop trigger "guard" on {{schema}}."memberships";

drop trigger "history" on {{schema}}."memberships";

drop trigger "revocation" on {{schema}}."memberships";

drop trigger "erase_history" on {{schema}}."organizations";

drop trigger "gate_column" on {{schema}}."organizations";

drop trigger "guard" on {{schema}}."organizations";

drop trigger "revocation" on {{schema}}."organizations";

drop trigger "still_open" on {{schema}}."passkeys";

drop trigger "gate_column" on {{schema}}."sessions";

drop trigger "revocation_second_factor" on {{schema}}."sessions";

drop trigger "revocation" on {{schema}}."sessions";

drop trigger "gate_column" on {{schema}}."users";

drop trigger "open_organization" on {{schema}}."users";

drop trigger "revocation" on {{schema}}."users";

drop index {{schema}}."memberships_role";

drop view {{schema}}."gate_state";

drop view {{schema}}."gate";

drop view {{schema}}."live_users";

drop view {{schema}}."own_organizations";

drop view {{schema}}."self";

alter table {{schema}}."custom_role_permissions"
  drop constraint "custom_role_permissions_role_fkey";

alter table {{schema}}."memberships"
  drop constraint "memberships_role_fkey";

alter table {{schema}}."memberships"
  drop constraint "memberships_role_id";

alter table {{schema}}."roles"
  drop constraint "roles_organization_id_fkey";

drop function {{schema}}."acting_user"();

drop function {{schema}}."erase_history"();

drop function {{schema}}."find_confirmed_user"(text, uuid);

drop function {{schema}}."gate_is_open"();

drop function {{schema}}."guard_creation"();

drop function {{schema}}."guard_membership"();

drop function {{schema}}."guard_organization"();

drop function {{schema}}."hold_users"(uuid[]);

drop function {{schema}}."keep_gate_changed_in"();

drop function {{schema}}."lock_key"(text, text);

drop function {{schema}}."mail_invitation"();

drop function {{schema}}."open_organization"();

drop function {{schema}}."organization_table"(text, text[], text[], text[], text, boolean);

drop function {{schema}}."person_table"(text, text[], text[], boolean);

drop function {{schema}}."record_event"(text, uuid, uuid, jsonb, boolean);

alter table {{schema}}."memberships"
  drop column "gate_changed_in";

alter table {{schema}}."memberships"
  drop column "role_id";

alter table {{schema}}."organizations"
  drop column "gate_changed_in";

alter table {{schema}}."sessions"
  drop column "gate_changed_in";

alter table {{schema}}."users"
  drop column "gate_changed_in";

alter table {{schema}}."users"
  drop column "unopened_organization_ids";

drop table {{schema}}."custom_role_permissions";

drop table {{schema}}."role_permissions";

drop table {{schema}}."roles";

alter table {{schema}}."throttles"
  reset (fillfactor);

alter table {{schema}}."throttles"
  alter column "updated_at" set default now();

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

create or replace function {{schema}}.keep_throttle (
  t {{schema}}.throttles
)
  returns void
  language sql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  update throttles set failures = t.failures, pending = t.pending, pending_until = t.pending_until, locked_until = t.locked_until,
    counted_since = case when t.failures > 0 then coalesce(t.counted_since, clock_timestamp()) end, updated_at = clock_timestamp()
  where key = t.key $function$;

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
    perform record_event('second-factor-locked', person, null, jsonb_build_object('until', t.locked_until));
    return;
  end if;
  perform record_event('sign-in-locked', person, null, counted || jsonb_build_object('until', t.locked_until));
  insert into one_time_tokens (purpose, user_id, details, expires_at) values ('unlock', person, counted, t.locked_until) returning id into token_id;
  perform enqueue_job('mail', jsonb_build_object('token_id', token_id));
end $function$;

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
  event_id constant uuid := new_id();
begin
  insert into security_events (id, type, user_id, session_id, actor_id, request_id, ip, user_agent, details)
  values (event_id, type, user_id, session_id, (context ->> 'user_id')::uuid, context ->> 'request_id', context ->> 'ip', context ->> 'user_agent', details);
  -- What a person must hear of, whoever caused it, in whatever way.
  if user_id is not null and type in ('password-changed', 'password-reset', 'email-change-requested', 'email-changed', 'totp-added',
    'totp-removed', 'recovery-codes-made', 'recovery-code-used', 'passkey-added', 'passkey-removed', 'identity-linked',
    'identity-unlinked', 'refresh-token-reused', 'second-factor-locked') then
    perform enqueue_job('mail', jsonb_build_object('event_id', event_id));
  end if;
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

create view {{schema}}."role_permissions" AS  SELECT '{"audit:read": ["admin", "owner"], "members:read": ["viewer", "member", "admin", "owner"], "members:write": ["admin", "owner"], "projects:read": ["viewer", "member", "admin", "owner"], "projects:write": ["member", "admin", "owner"], "admin:audit:read": ["superuser"], "invitations:read": ["admin", "owner"], "invitations:write": ["admin", "owner"], "organization:read": ["viewer", "member", "admin", "owner"], "organization:leave": ["viewer", "member", "admin", "owner"], "organization:write": ["admin", "owner"], "organization:delete": ["owner"], "organization:transfer": ["owner"]}'::jsonb AS holders;

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
  WHERE ((s.id = (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid) AND (s.revoked_at IS NULL) AND (s.expires_at > now()) AND (u.disabled_at IS NULL) AND (u.deleted_at IS NULL) AND (o.deleted_at IS NULL) AND ((s.second_factor_at IS NOT NULL) OR (NOT o.second_factor_required)) AND ((role_permissions.holders -> current_setting('app.permission'::text, true)) ?| ARRAY[m.role,
        CASE
            WHEN u.superuser THEN 'superuser'::text
            ELSE NULL::text
        END]));

create view {{schema}}."second_factors" with (security_barrier=true) AS  SELECT id AS user_id,
    (EXISTS ( SELECT
           FROM {{schema}}.totp_factors t
          WHERE ((t.user_id = users.id) AND (t.confirmed_at IS NOT NULL)))) AS totp,
    (EXISTS ( SELECT
           FROM {{schema}}.passkeys p
          WHERE (p.user_id = users.id))) AS passkey,
    (( SELECT count(*) AS count
           FROM {{schema}}.recovery_codes r
          WHERE ((r.user_id = users.id) AND (r.used_at IS NULL))))::integer AS recovery_codes
   FROM {{schema}}.users;

create view {{schema}}."self" with (security_barrier=true) AS  SELECT s.id AS session_id,
    s.user_id,
    (s.second_factor_at IS NOT NULL) AS second_factor
   FROM ({{schema}}.sessions s
     JOIN {{schema}}.users u ON ((u.id = s.user_id)))
  WHERE ((s.id = (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid) AND (s.revoked_at IS NULL) AND (s.expires_at > now()) AND (u.disabled_at IS NULL) AND (u.deleted_at IS NULL));

create view {{schema}}."gate_state" with (security_barrier=true) AS  SELECT (EXISTS ( SELECT
           FROM {{schema}}.self)) AS live,
    ((m.user_id IS NOT NULL) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL) AND (o.deleted_at IS NULL)) AS member,
    (o.second_factor_required AND (s.second_factor_at IS NULL) AND ((m.user_id IS NOT NULL) OR u.superuser)) AS second_factor_missing,
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

create trigger history
  after insert or delete or update on {{schema}}.memberships
  for each row
  execute function {{schema}}.record_change('memberships', '{role,disabled_at,deleted_at}');

create trigger revocation
  before update on {{schema}}.memberships
  for each row
  when
    (((old.role IS DISTINCT FROM new.role) OR (old.disabled_at IS DISTINCT FROM new.disabled_at) OR (old.deleted_at IS
    DISTINCT FROM new.deleted_at)))
  execute function {{schema}}.lock_revocation('user_id');

create trigger revocation
  before update on {{schema}}.organizations
  for each row
  when
    (((old.deleted_at IS DISTINCT FROM new.deleted_at) OR (old.second_factor_required IS DISTINCT FROM
    new.second_factor_required)))
  execute function {{schema}}.lock_revocation('id');

create trigger revocation_second_factor
  before update on {{schema}}.sessions
  for each row
  when (((old.second_factor_at IS NOT NULL) AND (new.second_factor_at IS NULL)))
  execute function {{schema}}.lock_revocation('user_id');

create trigger revocation
  before update on {{schema}}.sessions
  for each row
  when (((old.revoked_at IS NULL) AND (new.revoked_at IS NOT NULL)))
  execute function {{schema}}.lock_revocation('user_id');

create trigger revocation
  before update on {{schema}}.users
  for each row
  when
    (((old.disabled_at IS DISTINCT FROM new.disabled_at) OR (old.deleted_at IS DISTINCT FROM new.deleted_at) OR
    (old.superuser IS DISTINCT FROM new.superuser)))
  execute function {{schema}}.lock_revocation('id');

create policy "erase" on {{schema}}."audit_log"
  for delete
  to "freehold_system"
  using
    (((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid) AND (not (exists
    ( select
   from {{schema}}.organizations o
  where (o.id = audit_log.organization_id))))));

create policy "forget" on {{schema}}."audit_log"
  for update
  to "freehold_system"
  using ((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid))
  with check (((ip IS NULL) AND (user_agent IS NULL)));

create policy "tenant_read" on {{schema}}."audit_log"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where ((gate.permission = 'audit:read'::text) or (gate.permission ~~ 'admin:%'::text)))));

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

create policy "system_write" on {{schema}}."invitations"
  for all
  to "freehold_system"
  using ((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid));

create policy "tenant_delete" on {{schema}}."invitations"
  for delete
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.writes)));

create policy "tenant_insert" on {{schema}}."invitations"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE gate.writes)));

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
  where gate.writes)));

create policy "system_write" on {{schema}}."memberships"
  for all
  to "freehold_system"
  using ((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid));

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

create policy "system_write" on {{schema}}."organizations"
  for all
  to "freehold_system"
  using ((id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid));

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

create policy "system_read" on {{schema}}."projects"
  for select
  to "freehold_system"
  using (true);

create policy "system_write" on {{schema}}."projects"
  for all
  to "freehold_system"
  using ((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid));

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

create policy "forget" on {{schema}}."security_events"
  for update
  to "freehold_system"
  using (true)
  with check (((ip IS NULL) AND (user_agent IS NULL)));

create policy "system_delete" on {{schema}}."security_events"
  for delete
  to "freehold_system"
  using (true);

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

revoke all on function {{schema}}."closed_gate"(uuid, uuid) from public;

revoke all on function {{schema}}."gate_is_open"(uuid, uuid) from public;

revoke all on function {{schema}}."organization_table"(text, text[], text) from public;

revoke all on function {{schema}}."record_event"(text, uuid, uuid, jsonb) from public;

grant execute
  on function {{schema}}."record_event"(text, uuid, uuid, jsonb)
  to "freehold_system", "freehold_tenant";

revoke all on function {{schema}}."revocation_key"(uuid) from public;

revoke all on table {{schema}}."audit_log" from "freehold_system";

grant delete, insert, select on table {{schema}}."audit_log" to "freehold_system";

revoke all on table {{schema}}."idempotency_keys" from "freehold_system";

grant delete, insert, select, update on table {{schema}}."idempotency_keys" to "freehold_system";

revoke all on table {{schema}}."invitations" from "freehold_tenant";

grant delete, insert, select, update on table {{schema}}."invitations" to "freehold_tenant";

revoke all on table {{schema}}."memberships" from "freehold_system";

grant delete, insert, select, update on table {{schema}}."memberships" to "freehold_system";

revoke all on table {{schema}}."memberships" from "freehold_tenant";

grant delete, insert, select, update on table {{schema}}."memberships" to "freehold_tenant";

revoke all on table {{schema}}."organizations" from "freehold_tenant";

grant delete, insert, select, update on table {{schema}}."organizations" to "freehold_tenant";

revoke all on table {{schema}}."projects" from "freehold_system";

grant delete, insert, select, update on table {{schema}}."projects" to "freehold_system";

grant select on table {{schema}}."gate" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."gate_state" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."own_organizations" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."second_factors" to "freehold_system";

grant select on table {{schema}}."self" to "freehold_system", "freehold_tenant";

revoke all ("created_at") on table {{schema}}."idempotency_keys" from "freehold_system";

revoke all ("backed_up") on table {{schema}}."passkeys" from "freehold_tenant";

revoke all ("created_at") on table {{schema}}."passkeys" from "freehold_tenant";

revoke all ("id") on table {{schema}}."passkeys" from "freehold_tenant";

revoke all ("last_used_at") on table {{schema}}."passkeys" from "freehold_tenant";

revoke all ("name") on table {{schema}}."passkeys" from "freehold_tenant";

revoke all ("transports") on table {{schema}}."passkeys" from "freehold_tenant";

revoke all ("updated_at") on table {{schema}}."passkeys" from "freehold_tenant";

revoke all ("user_id") on table {{schema}}."passkeys" from "freehold_tenant";

revoke all ("version") on table {{schema}}."passkeys" from "freehold_tenant";

revoke all ("used_at") on table {{schema}}."recovery_codes" from "freehold_tenant";

revoke all ("user_id") on table {{schema}}."recovery_codes" from "freehold_tenant";

revoke all ("digest") on table {{schema}}."retired_names" from "freehold_tenant";

revoke all ("confirmed_at") on table {{schema}}."totp_factors" from "freehold_tenant";

revoke all ("user_id") on table {{schema}}."totp_factors" from "freehold_tenant";

revoke all ("organization_id") on table {{schema}}."sessions" from "freehold_tenant";

grant select ("organization_id") on table {{schema}}."sessions" to "freehold_tenant";

grant update ("ip") on table {{schema}}."audit_log" to "freehold_system";

grant update ("user_agent") on table {{schema}}."audit_log" to "freehold_system";
