-- organizations

set local check_function_bodies = off;

drop trigger "history" on {{schema}}."invitations";

drop trigger "history" on {{schema}}."roles";

drop view {{schema}}."own_organizations";

alter table {{schema}}."roles"
  drop constraint "roles_name_key";

alter table {{schema}}."invitations"
  add column "role_id" uuid;

alter table {{schema}}."roles"
  add column "deleted_at" timestamp with time zone;

-- lock: ACCESS EXCLUSIVE on roles: everything waits while every row gets its value, 1 to 10 minutes for 10 million rows. Where that is too long: the column without a default, filled in batches
alter table {{schema}}."roles"
  add column "name_key" text generated always as
    (lower(btrim(regexp_replace(regexp_replace(NORMALIZE(name, NFKC),
    '[\u00ad\u034f\u061c\u180e\u200b-\u200f\u2060-\u206f\ufe00-\ufe0f\ufeff]'::text,
    ''::text, 'g'::text), '\s+'::text, ' '::text, 'g'::text)))) stored not null;

-- Before this version, no route created custom roles; an operator may have. Names that differ only in what no longer counts
-- get the end of their id, as do those that are now reserved, and every role may read the organization and leave it.
update {{schema}}.roles r set name = r.name || ' ' || right(r.id::text, 8)
where r.name_key in ('', 'owner', 'admin', 'member', 'viewer', 'custom', 'guest', 'superuser')
  or exists (select from {{schema}}.roles o where o.organization_id = r.organization_id and o.name_key = r.name_key and o.id < r.id);
insert into {{schema}}.custom_role_permissions (organization_id, role_id, permission)
select organization_id, id, unnest('{organization:read,organization:leave}'::text[]) from {{schema}}.roles on conflict do nothing;
set constraints all immediate;

create or replace function {{schema}}.complete_role()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  insert into custom_role_permissions (organization_id, role_id, permission)
  select new.organization_id, new.id, unnest('{organization:read,organization:leave}'::text[]) on conflict do nothing;
  return null;
end $function$;

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
        or m.disabled_at is null and m.deleted_at is null and wanted = any (permissions_of(o.id, m.role, m.role_id))));
end $function$;

create or replace function {{schema}}.guard_invited_role()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  place constant uuid := nullif(current_setting('app.organization_id', true), '')::uuid;
begin
  if nullif(current_setting('app.session_id', true), '') is null then
    return null;
  end if;
  if new.role_id is not null then
    perform from roles where organization_id = place and id = new.role_id and deleted_at is null for share;
    if not found then
      raise exception 'there is no such role' using errcode = '23503', constraint = 'invitations_role_fkey';
    end if;
  end if;
  perform pg_advisory_xact_lock_shared(lock_key('revocation', acting_user()::text));
  perform pg_advisory_xact_lock_shared(lock_key('revocation', place::text));
  if not gate_is_open() then
    raise exception 'the gate closed before the change' using errcode = '42501';
  end if;
  perform require_own_permissions(permissions_of(place, new.role, new.role_id));
  return null;
end $function$;

create or replace function {{schema}}.guard_role()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  holders bigint;
begin
  if nullif(current_setting('app.session_id', true), '') is not null then
    if tg_op = 'INSERT' then
      -- The foreign key locks this row too, but after the keys: a deletion of the account would deadlock with that.
      perform from organizations where id = nullif(current_setting('app.organization_id', true), '')::uuid for key share;
    end if;
    perform hold_roles();
    if tg_op = 'UPDATE' then
      if old.deleted_at is not null then
        raise exception 'the role is deleted' using errcode = '42501';
      end if;
      perform require_own_permissions(permissions_of(nullif(current_setting('app.organization_id', true), '')::uuid, null, old.id));
    elsif (select count(*) from roles where organization_id = nullif(current_setting('app.organization_id', true), '')::uuid and deleted_at is null) >= 100 then
      raise exception 'an organization has at most 100 roles' using errcode = '23514', constraint = 'roles_limit';
    end if;
  end if;
  if tg_op = 'UPDATE' and old.deleted_at is null and new.deleted_at is not null then
    select count(*) into holders from memberships where organization_id = old.organization_id and role_id = old.id and deleted_at is null;
    if holders > 0 then
      raise exception 'members have the role' using errcode = '23514', constraint = 'roles_held', detail = jsonb_build_object('members', holders);
    end if;
  end if;
  return new;
end $function$;

create or replace function {{schema}}.guard_role_of_member()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  place constant uuid := nullif(current_setting('app.organization_id', true), '')::uuid;
begin
  if nullif(current_setting('app.session_id', true), '') is not null and current_setting('app.permission', true) = 'members:write' then
    perform require_own_permissions(permissions_of(place, old.role, old.role_id));
    perform require_own_permissions(permissions_of(place, new.role, new.role_id));
  end if;
  return new;
end $function$;

create or replace function {{schema}}.guard_role_permission()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if nullif(current_setting('app.session_id', true), '') is null then
    return coalesce(new, old);
  end if;
  perform hold_roles();
  if tg_op = 'INSERT' and not exists (select from role_permissions where permission = new.permission and role = 'admin')
    or tg_op = 'DELETE' and old.permission in ('organization:read', 'organization:leave') then
    raise exception 'no custom role may have, or lack, this permission' using errcode = '42501';
  end if;
  perform require_own_permissions(array[case tg_op when 'INSERT' then new.permission else old.permission end]);
  if tg_op = 'DELETE' and old.permission = current_setting('app.permission', true) and exists (select from own_organizations
      where id = nullif(current_setting('app.organization_id', true), '')::uuid and role_id = old.role_id) then
    raise exception 'the user has this role' using errcode = '23514', constraint = 'roles_own';
  end if;
  return coalesce(new, old);
end $function$;

create or replace function {{schema}}.hold_roles()
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  perform pg_advisory_xact_lock_shared(lock_key('revocation', acting_user()::text));
  perform pg_advisory_xact_lock(lock_key('revocation', nullif(current_setting('app.organization_id', true), '')));
  if not gate_is_open() then
    raise exception 'the gate closed before the change' using errcode = '42501';
  end if;
end $function$;

create or replace function {{schema}}.keep_invited_role()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  offers bigint;
begin
  select count(*) into offers from invitations where organization_id = old.organization_id and role_id = old.id
    and accepted_at is null and revoked_at is null and expires_at > now();
  if offers > 0 then
    raise exception 'invitations offer the role' using errcode = '23514', constraint = 'roles_held', detail = jsonb_build_object('invitations', offers);
  end if;
  return new;
end $function$;

create or replace function {{schema}}.keep_role()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  is_restored constant boolean := tg_op = 'UPDATE' and old.deleted_at is not null and new.deleted_at is null and old.role_id = new.role_id;
  -- A caller of another organization learns nothing about the roles of this one.
  place constant uuid := case when nullif(current_setting('app.session_id', true), '') is null then new.organization_id
    else nullif(current_setting('app.organization_id', true), '')::uuid end;
begin
  if tg_op = 'UPDATE' and old.role_id = new.role_id and not is_restored then
    return new;
  end if;
  perform from roles where organization_id = place and id = new.role_id and deleted_at is null for share;
  if not found and is_restored then
    new.role := 'viewer';
    new.role_id := null;
  elsif not found then
    raise exception 'there is no such role' using errcode = '23503', constraint = 'memberships_role_fkey';
  end if;
  return new;
end $function$;

create or replace function {{schema}}.permissions_of (
  organization uuid,
  built_in     text,
  custom       uuid
)
  returns text[]
  language sql
  stable
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select array(select p.permission from role_permissions p where p.role = case when custom is null then built_in else 'admin' end
    and (custom is null or exists (select from custom_role_permissions c where c.organization_id = organization and c.role_id = custom and c.permission = p.permission))
    order by p.permission collate "C") $function$;

create or replace function {{schema}}.require_own_permissions (
  wanted text[]
)
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  missing constant text[] := array(select unnest(wanted) except
    select unnest(permissions) from own_organizations where id = nullif(current_setting('app.organization_id', true), '')::uuid order by 1);
begin
  if missing <> '{}' then
    raise exception 'the role of the user does not have these permissions' using errcode = '23514', constraint = 'role_exceeds_own',
      detail = jsonb_build_object('permissions', missing);
  end if;
end $function$;

-- lock: SHARE ROW EXCLUSIVE on invitations, for a moment: from now on new rows are checked
alter table {{schema}}."invitations"
  add constraint "invitations_role_fkey" foreign key (organization_id, role_id)
    references {{schema}}.roles(organization_id, id) not valid;

-- lock: ACCESS EXCLUSIVE on invitations, for a moment: from now on new rows are checked
alter table {{schema}}."invitations"
  add constraint "invitations_role_id" check (((role_id IS NULL) OR (role = 'member'::text))) not valid;

-- lock: ACCESS EXCLUSIVE on roles, for a moment: from now on new rows are checked
alter table {{schema}}."roles"
  add constraint "roles_name_reserved"
    check
    ((name_key <> ALL (ARRAY[''::text, 'owner'::text, 'admin'::text, 'member'::text, 'viewer'::text, 'custom'::text,
    'guest'::text, 'superuser'::text]))) not valid;

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

create view {{schema}}."own_organizations" with (security_barrier=true) AS  SELECT o.id,
    o.kind,
    o.name,
    o.slug,
    o.second_factor_required,
    o.created_at,
    o.updated_at,
    o.version,
    m.created_at AS joined_at,
    self.user_id,
        CASE
            WHEN (m.role_id IS NULL) THEN m.role
            ELSE 'custom'::text
        END AS role,
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

create trigger role_rule
  before insert or delete on {{schema}}.custom_role_permissions
  for each row
  execute function {{schema}}.guard_role_permission();

create trigger guard_role
  after insert or update on {{schema}}.invitations
  for each row
  when (((new.accepted_at IS NULL) AND (new.revoked_at IS NULL)))
  execute function {{schema}}.guard_invited_role();

create trigger history
  after insert or delete or update on {{schema}}.invitations
  for each row
  execute function
    {{schema}}.record_change('invitations', '{role,role_id,invited_by,expires_at,accepted_at,revoked_at}');

create trigger keep_role
  before insert or update on {{schema}}.memberships
  for each row
  when ((new.role_id IS NOT NULL))
  execute function {{schema}}.keep_role();

create trigger role_rule
  before update on {{schema}}.memberships
  for each row
  when
    (((old.role IS DISTINCT FROM new.role) OR (old.role_id IS DISTINCT FROM new.role_id) OR (old.disabled_at IS DISTINCT
    FROM new.disabled_at) OR (old.deleted_at IS DISTINCT FROM new.deleted_at)))
  execute function {{schema}}.guard_role_of_member();

create trigger complete
  after insert on {{schema}}.roles
  for each row
  execute function {{schema}}.complete_role();

create trigger history
  after insert or delete or update on {{schema}}.roles
  for each row
  execute function {{schema}}.record_change('roles', '{name,description,deleted_at}');

create trigger role_rule_of_invitations
  before update on {{schema}}.roles
  for each row
  when (((old.deleted_at IS NULL) AND (new.deleted_at IS NOT NULL)))
  execute function {{schema}}.keep_invited_role();

create trigger role_rule
  before insert or update on {{schema}}.roles
  for each row
  execute function {{schema}}.guard_role();

create policy "tenant_delete" on {{schema}}."custom_role_permissions"
  for delete
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{roles:write}'::text[]))))));

create policy "tenant_insert" on {{schema}}."custom_role_permissions"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE (gate.writes AND (gate.permission = ANY ('{roles:write}'::text[]))))));

create policy "holders" on {{schema}}."invitations"
  for select
  to "freehold_owner"
  using (true);

create policy "locking" on {{schema}}."organizations"
  for update
  to "freehold_owner"
  using (true)
  with check (false);

create policy "gate" on {{schema}}."roles"
  for select
  to "freehold_owner"
  using (true);

create policy "locking" on {{schema}}."roles"
  for update
  to "freehold_owner"
  using (true)
  with check (false);

create policy "tenant_insert" on {{schema}}."roles"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE (gate.writes AND (gate.permission = ANY ('{roles:write}'::text[]))))));

create policy "tenant_update" on {{schema}}."roles"
  for update
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{roles:write}'::text[]))))));

revoke all on function {{schema}}."complete_role"() from public;

revoke all on function {{schema}}."guard_invited_role"() from public;

revoke all on function {{schema}}."guard_role"() from public;

revoke all on function {{schema}}."guard_role_of_member"() from public;

revoke all on function {{schema}}."guard_role_permission"() from public;

revoke all on function {{schema}}."hold_roles"() from public;

revoke all on function {{schema}}."keep_invited_role"() from public;

revoke all on function {{schema}}."keep_role"() from public;

revoke all on function {{schema}}."permissions_of"(uuid, text, uuid) from public;

grant execute on function {{schema}}."permissions_of"(uuid, text, uuid) to "freehold_system";

revoke all on function {{schema}}."require_own_permissions"(text[]) from public;

grant execute on function {{schema}}."require_own_permissions"(text[]) to "freehold_tenant";

revoke all on table {{schema}}."custom_role_permissions" from "freehold_tenant";

grant delete, insert, select on table {{schema}}."custom_role_permissions" to "freehold_tenant";

revoke all on table {{schema}}."roles" from "freehold_tenant";

grant insert, select, update on table {{schema}}."roles" to "freehold_tenant";

grant select on table {{schema}}."gate" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."gate_state" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."own_organizations" to "freehold_system", "freehold_tenant";

drop function {{schema}}."own_role_permits"();
