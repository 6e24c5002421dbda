-- Takes 0011_operators_users back.
-- loses: users.password_change_required_at

set local check_function_bodies = off;

drop trigger "keep_a_superuser" on {{schema}}."users";

drop trigger "new_guest" on {{schema}}."users";

drop trigger "touch" on {{schema}}."users";

drop view {{schema}}."live_users";

drop view {{schema}}."own_security_events";

drop function {{schema}}."account_search"(text);

drop function {{schema}}."account_words"(text, text, text, text, text);

drop function {{schema}}."guard_new_guest"();

drop function {{schema}}."hold_superusers"();

drop function {{schema}}."keep_a_superuser"();

alter table {{schema}}."users"
  drop column "password_change_required_at";

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

create trigger touch
  before update of email,
    username,
    password_hash,
    given_name,
    family_name,
    full_name, superuser, guest, email_verified_at, locale, disabled_at, deleted_at on {{schema}}.users
  for each row
  execute function {{schema}}.touch();

grant select, update on table {{schema}}."live_users" to "freehold_system";
