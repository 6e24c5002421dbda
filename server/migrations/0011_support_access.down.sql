-- Takes 0011_support_access back.
-- loses: support_grants
-- loses: audit_log.operator_id
-- loses: users.superuser_by
-- loses: users.superuser_since

set local check_function_bodies = off;

drop policy "forget" on {{schema}}."audit_log";

drop policy "support" on {{schema}}."audit_log";

drop policy "support" on {{schema}}."custom_role_permissions";

drop policy "support" on {{schema}}."idempotency_keys";

drop policy "support" on {{schema}}."invitations";

drop policy "support" on {{schema}}."memberships";

drop policy "support" on {{schema}}."roles";

drop policy "tenant_insert" on {{schema}}."support_grants";

drop policy "tenant_read" on {{schema}}."support_grants";

drop policy "tenant_update" on {{schema}}."support_grants";

drop trigger "note_superuser_insert" on {{schema}}."users";

drop trigger "note_superuser" on {{schema}}."users";

drop view {{schema}}."gate_state";

drop view {{schema}}."live_users";

drop view {{schema}}."support_places";

alter table {{schema}}."support_grants"
  drop constraint "support_grants_organization_id_fkey";

drop function {{schema}}."note_superuser"();

drop function {{schema}}."record_support_request"(text, text);

alter table {{schema}}."audit_log"
  drop column "operator_id";

alter table {{schema}}."users"
  drop column "superuser_by";

alter table {{schema}}."users"
  drop column "superuser_since";

drop table {{schema}}."support_grants";

drop function {{schema}}."guard_support_grant"();

drop function {{schema}}."tell_owners_of_support"();

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
  -- An operator's change of accounts and sessions concerns no organization.
  if wanted like 'admin:%' and coalesce(current_setting('app.organization_id', true), '') = '' then
    return exists (select from operator);
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
        or o.deleted_at is null and (s.gate_changed_in = own or s.second_factor_at is not null or not o.second_factor_required or is_way_out()))
      and (m.gate_changed_in = own
        or (u.superuser or u.gate_changed_in = own) and exists (select from role_permissions p where p.permission = wanted and p.role = 'superuser')
        or m.disabled_at is null and m.deleted_at is null and wanted = any (permissions_of(o.id, m.role, m.role_id))));
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

create or replace view {{schema}}."gate" with (security_barrier=true) AS  SELECT s.id AS session_id,
    s.user_id,
    o.id AS organization_id,
    current_setting('app.permission'::text, true) AS permission,
        CASE
            WHEN (current_setting('app.permission'::text, true) !~~ 'admin:%'::text) THEN m.role
            WHEN u.superuser THEN 'superuser'::text
            ELSE NULL::text
        END AS role,
    (current_setting('app.permission'::text, true) !~~ '%:read'::text) AS writes,
    ((s.second_factor_at IS NOT NULL) OR (NOT o.second_factor_required)) AS reads
   FROM ((({{schema}}.sessions s
     JOIN {{schema}}.users u ON ((u.id = s.user_id)))
     JOIN {{schema}}.organizations o ON ((o.id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid)))
     LEFT JOIN LATERAL ( SELECT memberships.role,
                CASE
                    WHEN (memberships.role_id IS NULL) THEN memberships.role
                    WHEN (EXISTS ( SELECT
                       FROM {{schema}}.custom_role_permissions c
                      WHERE ((c.organization_id = o.id) AND (c.role_id = memberships.role_id) AND (c.permission = current_setting('app.permission'::text, true))))) THEN 'admin'::text
                    ELSE NULL::text
                END AS rank
           FROM {{schema}}.memberships
          WHERE ((memberships.organization_id = o.id) AND (memberships.user_id = s.user_id) AND (memberships.disabled_at IS NULL) AND (memberships.deleted_at IS NULL))
         OFFSET 0) m ON (true))
  WHERE ((s.id = (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid) AND (s.revoked_at IS NULL) AND (s.expires_at > now()) AND (u.disabled_at IS NULL) AND (u.deleted_at IS NULL) AND (o.deleted_at IS NULL) AND ((s.second_factor_at IS NOT NULL) OR (NOT o.second_factor_required) OR {{schema}}.is_way_out()) AND (EXISTS ( SELECT
           FROM {{schema}}.role_permissions p
          WHERE ((p.permission = ( SELECT current_setting('app.permission'::text, true) AS current_setting)) AND ((p.role = m.rank) OR (u.superuser AND (p.role = 'superuser'::text)))))));

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
    guest
   FROM {{schema}}.users
  WHERE ((disabled_at IS NULL) AND (deleted_at IS NULL));

create or replace view {{schema}}."self" with (security_barrier=true) AS  SELECT s.id AS session_id,
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
           FROM {{schema}}.gate)) AS permitted,
    (EXISTS ( SELECT
           FROM {{schema}}.operator)) AS operator
   FROM ((((( SELECT (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid AS session_id,
            (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid AS organization_id) named
     LEFT JOIN {{schema}}.sessions s ON ((s.id = named.session_id)))
     LEFT JOIN {{schema}}.users u ON ((u.id = s.user_id)))
     LEFT JOIN {{schema}}.organizations o ON ((o.id = named.organization_id)))
     LEFT JOIN {{schema}}.memberships m ON (((m.organization_id = o.id) AND (m.user_id = s.user_id))));

create policy "forget" on {{schema}}."audit_log"
  for update
  to "freehold_system"
  using
    (((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid) AND (exists (
    select
   from {{schema}}.users u
  where ((u.id = audit_log.actor_id) AND (u.deleted_at is not null))))))
  with check (((ip IS NULL) AND (user_agent IS NULL)));

grant select on table {{schema}}."gate" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."gate_state" to "freehold_system", "freehold_tenant";

grant select, update on table {{schema}}."live_users" to "freehold_system";

grant select on table {{schema}}."operator" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."own_invitations" to "freehold_tenant";

grant select on table {{schema}}."own_organizations" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."self" to "freehold_system", "freehold_tenant";

drop function {{schema}}."support_role"();
