-- Takes 0012_cheaper_gate back.

set local check_function_bodies = off;

drop policy "leaving" on {{schema}}."memberships";

drop policy "colleagues" on {{schema}}."users";

drop view {{schema}}."colleagues";

create or replace function {{schema}}.gate_is_open()
  returns boolean
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  wanted constant text := coalesce(current_setting('app.permission', true), '');
  own constant xid8 := pg_current_xact_id();
begin
  -- Support access changes nothing that a gate depends on.
  if coalesce(current_setting('app.support_id', true), '') <> '' then
    return exists (select from gate);
  elsif wanted = '' then
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
        or o.deleted_at is null and (o.suspended_at is null or wanted like 'admin:%' or wanted = 'organization:leave')
          and (s.gate_changed_in = own or s.second_factor_at is not null or not o.second_factor_required or is_way_out()))
      and (m.gate_changed_in = own
        or (u.superuser or u.gate_changed_in = own) and exists (select from role_permissions p where p.permission = wanted and p.role = 'superuser')
        or m.disabled_at is null and m.deleted_at is null and wanted = any (permissions_of(o.id, m.role, m.role_id)))
      and (coalesce(current_setting('app.requires', true), '') = '' or exists (select from entitlements e where e.organization_id = o.id
        and e.code = current_setting('app.requires', true) and (e.writes or current_setting('app.permission', true) like '%:read'))));
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
    (((s.second_factor_at IS NOT NULL) OR (NOT o.second_factor_required)) AND ((o.suspended_at IS NULL) OR (current_setting('app.permission'::text, true) ~~ 'admin:%'::text))) AS reads
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
          WHERE ((memberships.organization_id = o.id) AND (memberships.user_id = s.user_id) AND (memberships.disabled_at IS NULL) AND (memberships.deleted_at IS NULL) AND (COALESCE(current_setting('app.support_id'::text, true), ''::text) = ''::text))
         OFFSET 0) m ON (true))
  WHERE ((s.id = (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid) AND (s.revoked_at IS NULL) AND (s.expires_at > now()) AND (u.disabled_at IS NULL) AND (u.deleted_at IS NULL) AND (o.deleted_at IS NULL) AND ((s.second_factor_at IS NOT NULL) OR (NOT o.second_factor_required) OR {{schema}}.is_way_out()) AND ((o.suspended_at IS NULL) OR (current_setting('app.permission'::text, true) ~~ 'admin:%'::text) OR (current_setting('app.permission'::text, true) = 'organization:leave'::text)) AND (EXISTS ( SELECT
           FROM {{schema}}.role_permissions p
          WHERE ((p.permission = ( SELECT current_setting('app.permission'::text, true) AS current_setting)) AND ((p.role = m.rank) OR (u.superuser AND (p.role =
                CASE
                    WHEN (COALESCE(current_setting('app.support_id'::text, true), ''::text) = ''::text) THEN 'superuser'::text
                    ELSE ('support-'::text || {{schema}}.support_role())
                END)))))) AND ((COALESCE(current_setting('app.requires'::text, true), ''::text) = ''::text) OR (EXISTS ( SELECT
           FROM {{schema}}.entitlements e
          WHERE ((e.organization_id = o.id) AND (e.code = current_setting('app.requires'::text, true)) AND (e.writes OR (current_setting('app.permission'::text, true) ~~ '%:read'::text)))))));

create or replace view {{schema}}."self" with (security_barrier=true) AS  SELECT s.id AS session_id,
    s.user_id,
    (s.second_factor_at IS NOT NULL) AS second_factor,
    u.superuser,
    u.email_verified
   FROM ({{schema}}.sessions s
     JOIN {{schema}}.users u ON ((u.id = s.user_id)))
  WHERE ((s.id = (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid) AND (s.revoked_at IS NULL) AND (s.expires_at > now()) AND (u.disabled_at IS NULL) AND (u.deleted_at IS NULL) AND (COALESCE(current_setting('app.support_id'::text, true), ''::text) = ''::text));

create or replace view {{schema}}."gate_state" with (security_barrier=true) AS  SELECT (EXISTS ( SELECT
           FROM {{schema}}.self)) AS live,
    ((m.user_id IS NOT NULL) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL) AND (o.deleted_at IS NULL)) AS member,
    (o.second_factor_required AND (s.second_factor_at IS NULL) AND (o.deleted_at IS NULL) AND (((m.user_id IS NOT NULL) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL)) OR u.superuser)) AS second_factor_missing,
    (EXISTS ( SELECT
           FROM {{schema}}.gate)) AS permitted,
    (EXISTS ( SELECT
           FROM {{schema}}.operator)) AS operator,
    ({{schema}}.support_role() IS NOT NULL) AS supported,
        CASE
            WHEN ((m.disabled_at IS NULL) AND (m.deleted_at IS NULL) AND (m.user_id IS NOT NULL) AND (o.deleted_at IS NULL) AND (current_setting('app.permission'::text, true) !~~ 'admin:%'::text)) THEN o.suspended_at
            ELSE NULL::timestamp with time zone
        END AS suspended_at,
    ((m.user_id IS NOT NULL) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL) AND (o.deleted_at IS NULL) AND (NOT ((COALESCE(current_setting('app.requires'::text, true), ''::text) = ''::text) OR (EXISTS ( SELECT
           FROM {{schema}}.entitlements e
          WHERE ((e.organization_id = o.id) AND (e.code = current_setting('app.requires'::text, true)) AND (e.writes OR (current_setting('app.permission'::text, true) ~~ '%:read'::text)))))))) AS entitlement_missing
   FROM ((((( SELECT (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid AS session_id,
            (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid AS organization_id) named
     LEFT JOIN {{schema}}.sessions s ON ((s.id = named.session_id)))
     LEFT JOIN {{schema}}.users u ON ((u.id = s.user_id)))
     LEFT JOIN {{schema}}.organizations o ON ((o.id = named.organization_id)))
     LEFT JOIN {{schema}}.memberships m ON (((m.organization_id = o.id) AND (m.user_id = s.user_id))));

create policy "leaving" on {{schema}}."memberships"
  for select
  to "freehold_tenant"
  using (((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (not gate.reads))) AND ((user_id = ( select gate.user_id
   from {{schema}}.gate)) or (( select gate.permission
   from {{schema}}.gate) = 'organization:transfer'::text))));

create policy "colleagues" on {{schema}}."users"
  for select
  to "freehold_tenant"
  using ((( select gate.reads
   from {{schema}}.gate) AND (exists ( select
   from {{schema}}.memberships m
  where (m.user_id = users.id)
 OFFSET 0))));

grant select on table {{schema}}."gate" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."gate_state" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."operator" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."own_entitlements" to "freehold_tenant";

grant select on table {{schema}}."own_invitations" to "freehold_tenant";

grant select on table {{schema}}."own_organizations" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."own_security_events" to "freehold_tenant";

grant select on table {{schema}}."self" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."support_places" to "freehold_tenant";

drop view {{schema}}."own_account";

drop function {{schema}}."is_entitled"();
