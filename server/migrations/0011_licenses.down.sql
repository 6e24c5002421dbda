-- Takes 0011_licenses back.
-- loses: license_activations
-- loses: license_file_keys
-- loses: license_plans
-- loses: licenses
-- loses: limit_usage
-- loses: allowances
-- loses: default_allowance

set local check_function_bodies = off;

drop policy "tenant_delete" on {{schema}}."license_activations";

drop policy "tenant_read" on {{schema}}."license_activations";

drop policy "tenant_delete" on {{schema}}."licenses";

drop policy "tenant_insert" on {{schema}}."licenses";

drop policy "tenant_read" on {{schema}}."licenses";

drop policy "tenant_update" on {{schema}}."licenses";

drop policy "counting" on {{schema}}."projects";

drop policy "counting" on {{schema}}."workspaces";

drop trigger "seats_delete" on {{schema}}."memberships";

drop trigger "seats_insert" on {{schema}}."memberships";

drop trigger "seats_update" on {{schema}}."memberships";

drop trigger "usage_delete" on {{schema}}."projects";

drop trigger "usage_insert" on {{schema}}."projects";

drop trigger "seats" on {{schema}}."users";

drop trigger "usage_delete" on {{schema}}."workspaces";

drop trigger "usage_insert" on {{schema}}."workspaces";

drop view {{schema}}."gate_state";

drop view {{schema}}."limits";

drop view {{schema}}."own_entitlements";

drop view {{schema}}."own_organizations";

drop view {{schema}}."seats";

alter table {{schema}}."allowances"
  drop constraint "allowances_organization_id_fkey";

alter table {{schema}}."license_activations"
  drop constraint "license_activations_license_fkey";

alter table {{schema}}."license_activations"
  drop constraint "license_activations_organization_id_fkey";

alter table {{schema}}."licenses"
  drop constraint "licenses_organization_id_fkey";

alter table {{schema}}."licenses"
  drop constraint "licenses_plan_fkey";

alter table {{schema}}."limit_usage"
  drop constraint "limit_usage_organization_id_fkey";

drop function {{schema}}."activate_license"(bytea, text, text, jsonb, integer);

drop function {{schema}}."activation_end"({{schema}}.licenses, integer);

drop function {{schema}}."activations_allowed"({{schema}}.licenses);

drop function {{schema}}."beat_license"(bytea, text, integer);

drop function {{schema}}."count_rows"();

drop function {{schema}}."count_seats"();

drop function {{schema}}."count_seats_of_account"();

drop function {{schema}}."count_units"(uuid, text);

drop function {{schema}}."count_use"(uuid, text, bigint);

drop function {{schema}}."counted_table"(text);

drop function {{schema}}."deactivate_license"(bytea, text);

drop function {{schema}}."find_license"(bytea);

drop function {{schema}}."has_seat"(uuid, uuid);

drop function {{schema}}."hold_transfer"(uuid, uuid, uuid);

drop function {{schema}}."is_limited"(uuid, text);

drop function {{schema}}."issue_license_file"(bytea, text, integer);

drop function {{schema}}."license_obstacle"({{schema}}.licenses, boolean);

drop function {{schema}}."license_status"(text, timestamp with time zone);

drop function {{schema}}."limits_in_gate"();

drop function {{schema}}."maxima_of"(integer, jsonb, integer);

drop function {{schema}}."maximum_of"(uuid, text);

drop function {{schema}}."renew_activation"({{schema}}.licenses, text, integer, timestamp
  with time zone);

drop function {{schema}}."require_room"(uuid, jsonb);

drop function {{schema}}."start_license"(bytea);

drop table {{schema}}."license_activations";

drop function {{schema}}."keep_removable_at"();

drop table {{schema}}."license_file_keys";

drop table {{schema}}."license_plans";

drop function {{schema}}."keep_default_allowance"();

drop function {{schema}}."keep_default_plan"();

drop function {{schema}}."replace_default_plan"();

drop table {{schema}}."licenses";

drop function {{schema}}."guard_license"();

drop function {{schema}}."keep_allowance"();

drop table {{schema}}."limit_usage";

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
  place constant integer := array_position(array['revocation', 'owners', 'idempotency', 'superusers', 'signing-keys', 'mail', 'product', 'structure'], space);
begin
  if place is null then
    raise exception 'there is no lock space %: add it to lock_key()', space using errcode = '22023';
  end if;
  return (place::bigint << 56) | ('x' || left(encode(sha256(convert_to(name, 'UTF8')), 'hex'), 14))::bit(56)::bigint;
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

create view {{schema}}."own_organizations" with (security_barrier=true) AS  SELECT o.id,
    o.kind,
    o.name,
    o.slug,
    o.second_factor_required,
    o.created_at,
    o.updated_at,
    o.version,
        CASE
            WHEN (m.role_id IS NULL) THEN m.role
            ELSE 'custom'::text
        END AS role,
    m.created_at AS joined_at,
    self.user_id,
    m.role_id,
    ( SELECT r.name
           FROM {{schema}}.roles r
          WHERE ((r.organization_id = m.organization_id) AND (r.id = m.role_id))) AS role_name,
    ARRAY( SELECT p.permission
           FROM {{schema}}.role_permissions p
          WHERE ((p.role =
                CASE
                    WHEN (m.role_id IS NULL) THEN m.role
                    ELSE 'admin'::text
                END) AND ((m.role_id IS NULL) OR (EXISTS ( SELECT
                   FROM {{schema}}.custom_role_permissions c
                  WHERE ((c.organization_id = m.organization_id) AND (c.role_id = m.role_id) AND (c.permission = p.permission))))))
          ORDER BY (p.permission COLLATE "C")) AS permissions
   FROM (({{schema}}.self
     JOIN {{schema}}.memberships m ON (((m.user_id = self.user_id) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL))))
     JOIN {{schema}}.organizations o ON (((o.id = m.organization_id) AND (o.deleted_at IS NULL))));

grant select on table {{schema}}."gate" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."gate_state" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."own_organizations" to "freehold_system", "freehold_tenant";

drop view {{schema}}."entitlements";

drop view {{schema}}."current_allowances";

drop table {{schema}}."allowances";

drop function {{schema}}."guard_allowance"();

drop table {{schema}}."default_allowance";

drop function {{schema}}."guard_default_allowance"();
