-- operators_users

set local check_function_bodies = off;

drop trigger "touch" on {{schema}}."users";

alter table {{schema}}."users"
  add column "password_change_required_at" timestamp with time zone;

create or replace function {{schema}}.account_search (
  given text
)
  returns tsquery
  language sql
  immutable
  parallel safe
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select string_agg('''' || replace(replace(word, '\', '\\'), '''', '''''') || ''':*', ' & ')::tsquery from unnest(search_words(given)) as word $function$;

create or replace function {{schema}}.account_words (
  email       text,
  username    text,
  given_name  text,
  family_name text,
  full_name   text
)
  returns tsvector
  language sql
  immutable
  parallel safe
  security definer
  cost 1000
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select array_to_tsvector(array(select word from words_of_member(email, username, given_name, family_name, full_name) where kind = 'word')) $function$;

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
  -- An operator's change of accounts and sessions concerns no organization, and that of a restored account one that is deleted.
  if wanted like 'admin:%' and exists (select from operator) then
    return true;
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

create or replace function {{schema}}.guard_new_guest()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if exists (select from memberships where user_id = new.id and deleted_at is null and (role <> 'viewer' or role_id is not null)) then
    raise exception 'the user has another role than viewer' using errcode = '23514', constraint = 'users_guests_are_viewers';
  end if;
  return null;
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
  -- An operator restores an account, and with it what its deletion closed. No policy lets the tenant login do that.
  restores constant boolean := wanted = 'admin:users:write' and old.deleted_at is not null and new.deleted_at is null and old.kind = new.kind;
begin
  -- Without a permission it is the system login, which closes what an account's deletion leaves empty.
  if wanted <> '' and not restores and (closes and wanted <> 'organization:delete' or changes and wanted <> 'organization:write' or old.kind <> new.kind) then
    raise exception '% does not allow this change of an organization', wanted using errcode = '42501';
  end if;
  return new;
end $function$;

create or replace function {{schema}}.hold_superusers()
  returns void
  language sql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select pg_advisory_xact_lock(lock_key('superusers', '')) $function$;

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
  for id in select distinct held from unnest(ids || acting_user()) as held where held is not null order by held loop
    if id = any (ids) then
      perform pg_advisory_xact_lock(lock_key('revocation', id::text));
    else
      perform pg_advisory_xact_lock_shared(lock_key('revocation', id::text));
    end if;
  end loop;
end $function$;

create or replace function {{schema}}.keep_a_superuser()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if nullif(current_setting('app.session_id', true), '') is not null then
    perform hold_superusers();
    if not exists (select from users where superuser and disabled_at is null and deleted_at is null) then
      raise exception 'the service needs a superuser' using errcode = '23514', constraint = 'users_keep_a_superuser';
    end if;
  end if;
  return null;
end $function$;

create or replace view {{schema}}."live_users" with (security_barrier=true) AS  SELECT id,
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
    guest,
    password_change_required_at
   FROM {{schema}}.users
  WHERE ((disabled_at IS NULL) AND (deleted_at IS NULL));

create view {{schema}}."own_security_events" with (security_barrier=true) AS  SELECT id,
    type,
    session_id,
        CASE
            WHEN (actor_id IS NULL) THEN 'unknown'::text
            WHEN (actor_id = user_id) THEN 'self'::text
            ELSE 'other'::text
        END AS actor,
        CASE
            WHEN ((actor_id IS NULL) OR (actor_id = user_id)) THEN ip
            ELSE NULL::text
        END AS ip,
        CASE
            WHEN ((actor_id IS NULL) OR (actor_id = user_id)) THEN user_agent
            ELSE NULL::text
        END AS user_agent,
    created_at
   FROM {{schema}}.security_events
  WHERE (user_id = ( SELECT self.user_id
           FROM {{schema}}.self));

create trigger keep_a_superuser
  after update on {{schema}}.users
  for each row
  when
    ((old.superuser AND (old.disabled_at IS NULL) AND (old.deleted_at IS NULL) AND (NOT (new.superuser AND
    (new.disabled_at IS NULL) AND (new.deleted_at IS NULL)))))
  execute function {{schema}}.keep_a_superuser();

create trigger new_guest
  after update of guest on {{schema}}.users
  for each row
  when ((new.guest AND (NOT old.guest)))
  execute function {{schema}}.guard_new_guest();

create trigger touch
  before update of email,
    username,
    password_hash,
    given_name,
    family_name,
    full_name,
    superuser,
    guest,
    email_verified_at, locale, disabled_at, deleted_at, password_change_required_at on {{schema}}.users
  for each row
  execute function {{schema}}.touch();

revoke all on function {{schema}}."account_search"(text) from public;

grant execute on function {{schema}}."account_search"(text) to "freehold_system";

revoke all on function {{schema}}."account_words"(text, text, text, text, text) from public;

grant execute
  on function {{schema}}."account_words"(text, text, text, text, text)
  to "freehold_system", "freehold_tenant";

revoke all on function {{schema}}."guard_new_guest"() from public;

revoke all on function {{schema}}."hold_superusers"() from public;

grant execute on function {{schema}}."hold_superusers"() to "freehold_system";

revoke all on function {{schema}}."keep_a_superuser"() from public;

grant select, update on table {{schema}}."live_users" to "freehold_system";

grant select on table {{schema}}."own_security_events" to "freehold_tenant";
