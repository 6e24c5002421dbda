-- Takes 0006_organizations back.
-- loses: invitations.role_id
-- loses: roles.deleted_at
-- loses: roles.name_key

set local check_function_bodies = off;

drop policy "tenant_delete" on {{schema}}."custom_role_permissions";

drop policy "tenant_insert" on {{schema}}."custom_role_permissions";

drop policy "holders" on {{schema}}."invitations";

drop policy "locking" on {{schema}}."organizations";

drop policy "gate" on {{schema}}."roles";

drop policy "locking" on {{schema}}."roles";

drop policy "tenant_insert" on {{schema}}."roles";

drop policy "tenant_update" on {{schema}}."roles";

drop trigger "role_rule" on {{schema}}."custom_role_permissions";

drop trigger "guard_role" on {{schema}}."invitations";

drop trigger "history" on {{schema}}."invitations";

drop trigger "keep_role" on {{schema}}."memberships";

drop trigger "role_rule" on {{schema}}."memberships";

drop trigger "complete" on {{schema}}."roles";

drop trigger "history" on {{schema}}."roles";

drop trigger "role_rule_of_invitations" on {{schema}}."roles";

drop trigger "role_rule" on {{schema}}."roles";

drop view {{schema}}."own_organizations";

alter table {{schema}}."invitations"
  drop constraint "invitations_role_fkey";

alter table {{schema}}."invitations"
  drop constraint "invitations_role_id";

alter table {{schema}}."roles"
  drop constraint "roles_name_reserved";

drop function {{schema}}."complete_role"();

drop function {{schema}}."guard_invited_role"();

drop function {{schema}}."guard_role"();

drop function {{schema}}."guard_role_of_member"();

drop function {{schema}}."guard_role_permission"();

drop function {{schema}}."hold_roles"();

drop function {{schema}}."keep_invited_role"();

drop function {{schema}}."keep_role"();

drop function {{schema}}."permissions_of"(uuid, text, uuid);

drop function {{schema}}."require_own_permissions"(text[]);

alter table {{schema}}."invitations"
  drop column "role_id";

alter table {{schema}}."roles"
  drop column "deleted_at";

alter table {{schema}}."roles"
  drop column "name_key";

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
        or o.deleted_at is null and (s.gate_changed_in = own or s.second_factor_at is not null or not o.second_factor_required or is_way_out()))
      and (m.gate_changed_in = own
        or (u.superuser or u.gate_changed_in = own) and exists (select from role_permissions p where p.permission = wanted and p.role = 'superuser')
        or m.disabled_at is null and m.deleted_at is null and (m.role_id is not null and own_role_permits()
          or exists (select from role_permissions p where m.role_id is null and p.permission = wanted and p.role = m.role))));
end $function$;

create or replace function {{schema}}.own_role_permits()
  returns boolean
  language sql
  stable
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select exists (select from sessions s
    join memberships m on m.organization_id = nullif(current_setting('app.organization_id', true), '')::uuid and m.user_id = s.user_id
    join custom_role_permissions p on p.organization_id = m.organization_id and p.role_id = m.role_id
    join role_permissions known on known.permission = p.permission and known.role = 'admin'
    where s.id = nullif(current_setting('app.session_id', true), '')::uuid and p.permission = current_setting('app.permission', true)) $function$;

-- lock: ACCESS EXCLUSIVE on roles: everything waits while the index is built, 10 to 60 seconds for 10 million rows. Where that is too long: a unique index in an online migration, then add constraint … using index
alter table {{schema}}."roles"
  add constraint "roles_name_key" unique (organization_id, name);

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
            memberships.role_id,
                CASE
                    WHEN (memberships.role_id IS NULL) THEN memberships.role
                    ELSE NULL::text
                END AS built_in
           FROM {{schema}}.memberships
          WHERE ((memberships.organization_id = o.id) AND (memberships.user_id = s.user_id) AND (memberships.disabled_at IS NULL) AND (memberships.deleted_at IS NULL))
         OFFSET 0) m ON (true))
  WHERE ((s.id = (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid) AND (s.revoked_at IS NULL) AND (s.expires_at > now()) AND (u.disabled_at IS NULL) AND (u.deleted_at IS NULL) AND (o.deleted_at IS NULL) AND ((s.second_factor_at IS NOT NULL) OR (NOT o.second_factor_required) OR {{schema}}.is_way_out()) AND ((EXISTS ( SELECT
           FROM {{schema}}.role_permissions p
          WHERE ((p.permission = ( SELECT current_setting('app.permission'::text, true) AS current_setting)) AND ((p.role = m.built_in) OR (u.superuser AND (p.role = 'superuser'::text)))))) OR ((m.role_id IS NOT NULL) AND {{schema}}.own_role_permits())));

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
  after insert or delete or update on {{schema}}.invitations
  for each row
  execute function
    {{schema}}.record_change('invitations', '{role,invited_by,expires_at,accepted_at,revoked_at}');

create trigger history
  after insert or delete or update on {{schema}}.roles
  for each row
  execute function {{schema}}.record_change('roles', '{name,description}');

revoke all on function {{schema}}."own_role_permits"() from public;

grant execute on function {{schema}}."own_role_permits"() to "freehold_system", "freehold_tenant";

revoke all on table {{schema}}."custom_role_permissions" from "freehold_tenant";

grant select on table {{schema}}."custom_role_permissions" to "freehold_tenant";

revoke all on table {{schema}}."roles" from "freehold_tenant";

grant select on table {{schema}}."roles" to "freehold_tenant";

grant select on table {{schema}}."gate" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."gate_state" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."own_organizations" to "freehold_system", "freehold_tenant";
