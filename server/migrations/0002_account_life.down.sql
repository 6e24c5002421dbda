-- Takes 0002_account_life back.
-- loses: devices
-- loses: identities
-- loses: invitations
-- loses: one_time_tokens
-- loses: passkeys
-- loses: recovery_codes
-- loses: retired_names
-- loses: throttles
-- loses: totp_factors
-- loses: organizations.second_factor_required
-- loses: sessions.device_id
-- loses: sessions.methods
-- loses: sessions.second_factor_at
-- loses: users.erased_at
-- loses: users.locale

set local check_function_bodies = off;

drop policy "erase" on {{schema}}."audit_log";

drop policy "forget" on {{schema}}."audit_log";

drop policy "tenant_read" on {{schema}}."audit_log";

drop policy "self_revoke" on {{schema}}."devices";

drop policy "self" on {{schema}}."devices";

drop policy "self" on {{schema}}."idempotency_keys";

drop policy "self" on {{schema}}."identities";

drop policy "tenant_delete" on {{schema}}."invitations";

drop policy "tenant_insert" on {{schema}}."invitations";

drop policy "tenant_read" on {{schema}}."invitations";

drop policy "tenant_update" on {{schema}}."invitations";

drop policy "tenant_delete" on {{schema}}."memberships";

drop policy "tenant_insert" on {{schema}}."memberships";

drop policy "tenant_read" on {{schema}}."memberships";

drop policy "tenant_update" on {{schema}}."memberships";

drop policy "tenant_delete" on {{schema}}."organizations";

drop policy "tenant_insert" on {{schema}}."organizations";

drop policy "tenant_read" on {{schema}}."organizations";

drop policy "tenant_update" on {{schema}}."organizations";

drop policy "tenant_delete" on {{schema}}."projects";

drop policy "tenant_insert" on {{schema}}."projects";

drop policy "tenant_read" on {{schema}}."projects";

drop policy "tenant_update" on {{schema}}."projects";

drop policy "forget" on {{schema}}."security_events";

drop policy "system_delete" on {{schema}}."security_events";

drop policy "system_insert" on {{schema}}."security_events";

drop policy "system_read" on {{schema}}."security_events";

drop policy "self_revoke" on {{schema}}."sessions";

drop policy "self" on {{schema}}."sessions";

drop policy "self_update" on {{schema}}."users";

drop policy "self" on {{schema}}."users";

drop trigger "history" on {{schema}}."memberships";

drop trigger "history" on {{schema}}."organizations";

drop trigger "revocation" on {{schema}}."organizations";

drop trigger "second_factor_rule" on {{schema}}."organizations";

drop trigger "revocation_second_factor" on {{schema}}."sessions";

drop trigger "end_waiting_sign_ins" on {{schema}}."users";

drop trigger "touch" on {{schema}}."users";

drop index {{schema}}."idempotency_keys_created_at";

drop index {{schema}}."security_events_actor_id";

drop index {{schema}}."users_deleted_at";

drop view {{schema}}."gate_state";

drop view {{schema}}."gate";

drop view {{schema}}."own_organizations";

drop view {{schema}}."role_permissions";

drop view {{schema}}."second_factors";

drop view {{schema}}."self";

alter table {{schema}}."devices"
  drop constraint "devices_user_id_fkey";

alter table {{schema}}."identities"
  drop constraint "identities_user_id_fkey";

alter table {{schema}}."invitations"
  drop constraint "invitations_organization_id_fkey";

alter table {{schema}}."invitations"
  drop constraint "invitations_organization_id_invited_by_fkey";

alter table {{schema}}."one_time_tokens"
  drop constraint "one_time_tokens_user_id_fkey";

alter table {{schema}}."passkeys"
  drop constraint "passkeys_user_id_fkey";

alter table {{schema}}."recovery_codes"
  drop constraint "recovery_codes_user_id_fkey";

alter table {{schema}}."totp_factors"
  drop constraint "totp_factors_user_id_fkey";

alter table {{schema}}."users"
  drop constraint "users_locale_check";

drop function {{schema}}."end_waiting_sign_ins"();

drop function {{schema}}."enqueue_job"(text, jsonb);

drop function {{schema}}."guard_second_factor_rule"();

drop function {{schema}}."keep_throttle"({{schema}}.throttles);

drop function {{schema}}."lock_throttle"({{schema}}.throttles, integer, uuid);

drop function {{schema}}."open_throttle"(text);

drop function {{schema}}."reserve_guess"(text, integer, integer, uuid, text, integer);

drop function {{schema}}."settle_guess"(text, integer, integer, uuid, text, integer, boolean);

drop function {{schema}}."settle_throttle"(text, integer, integer, uuid, boolean);

drop function {{schema}}."take_guess"(text, integer, integer, uuid);

alter table {{schema}}."organizations"
  drop column "second_factor_required";

alter table {{schema}}."sessions"
  drop column "device_id";

alter table {{schema}}."sessions"
  drop column "methods";

alter table {{schema}}."sessions"
  drop column "second_factor_at";

alter table {{schema}}."users"
  drop column "erased_at";

alter table {{schema}}."users"
  drop column "locale";

drop table {{schema}}."devices";

drop table {{schema}}."identities";

drop table {{schema}}."invitations";

drop table {{schema}}."one_time_tokens";

drop table {{schema}}."passkeys";

drop table {{schema}}."recovery_codes";

drop table {{schema}}."retired_names";

drop table {{schema}}."throttles";

drop table {{schema}}."totp_factors";

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

create view {{schema}}."role_permissions" AS  SELECT '{"audit:read": ["admin", "owner"], "members:read": ["viewer", "member", "admin", "owner"], "members:write": ["admin", "owner"], "projects:read": ["viewer", "member", "admin", "owner"], "projects:write": ["member", "admin", "owner"], "admin:audit:read": ["superuser"], "organization:read": ["viewer", "member", "admin", "owner"], "organization:leave": ["viewer", "member", "admin", "owner"], "organization:write": ["admin", "owner"], "organization:delete": ["owner"], "organization:transfer": ["owner"]}'::jsonb AS holders;

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

create trigger history
  after insert or delete or update on {{schema}}.memberships
  for each row
  execute function {{schema}}.record_change('memberships', '{role,title,company,disabled_at,deleted_at}');

create trigger history
  after insert or delete or update on {{schema}}.organizations
  for each row
  execute function {{schema}}.record_change('organizations', '{name,slug,kind,deleted_at}');

create trigger revocation
  before update on {{schema}}.organizations
  for each row
  when ((old.deleted_at IS DISTINCT FROM new.deleted_at))
  execute function {{schema}}.lock_revocation('id');

create trigger touch
  before update of email,
    username,
    password_hash,
    given_name,
    family_name, full_name, superuser, email_verified_at, disabled_at, deleted_at on {{schema}}.users
  for each row
  execute function {{schema}}.touch();

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

create policy "system" on {{schema}}."security_events"
  for all
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

revoke all on table {{schema}}."audit_log" from "freehold_system";

grant insert, select on table {{schema}}."audit_log" to "freehold_system";

grant select on table {{schema}}."gate" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."gate_state" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."own_organizations" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."self" to "freehold_system", "freehold_tenant";

revoke all ("ip") on table {{schema}}."audit_log" from "freehold_system";

revoke all ("user_agent") on table {{schema}}."audit_log" from "freehold_system";

revoke all ("ip") on table {{schema}}."security_events" from "freehold_system";

revoke all ("user_agent") on table {{schema}}."security_events" from "freehold_system";
