-- organizations

set local check_function_bodies = off;

drop policy "system_insert" on {{schema}}."invitations";

drop trigger "history" on {{schema}}."invitations";

drop trigger "mail_insert" on {{schema}}."invitations";

drop trigger "mail_update" on {{schema}}."invitations";

drop trigger "creation" on {{schema}}."memberships";

drop trigger "history" on {{schema}}."roles";

drop trigger "event_update" on {{schema}}."users";

drop trigger "touch" on {{schema}}."users";

alter table {{schema}}."roles"
  drop constraint "roles_name_key";

drop function {{schema}}."enqueue_job"(text, jsonb);

create table {{schema}}."branches" (
  "organization_id" uuid                     not null,
  "company_id"      uuid                     not null,
  "code"            text                     not null,
  "name"            text                     not null,
  "description"     text,
  "created_by"      uuid,
  "created_at"      timestamp with time zone not null default now(),
  "updated_at"      timestamp with time zone not null default now(),
  "version"         integer                  not null default 1,
  constraint "branches_code_key" unique (organization_id, company_id, code),
  constraint "branches_code" check ((code ~ '^[A-Z0-9][A-Z0-9_-]{0,31}$'::text)),
  "id"              uuid                     not null default {{schema}}.new_id(),
  constraint "branches_pkey" primary key (organization_id, id),
  constraint "branches_place_key" unique (organization_id, company_id, id)
);

alter table {{schema}}."branches"
  enable row level security;

alter table {{schema}}."branches"
  force row level security;

create table {{schema}}."companies" (
  "organization_id" uuid                     not null,
  "code"            text                     not null,
  "name"            text                     not null,
  "description"     text,
  "created_by"      uuid,
  "created_at"      timestamp with time zone not null default now(),
  "updated_at"      timestamp with time zone not null default now(),
  "version"         integer                  not null default 1,
  constraint "companies_code_key" unique (organization_id, code),
  constraint "companies_code" check ((code ~ '^[A-Z0-9][A-Z0-9_-]{0,31}$'::text)),
  "id"              uuid                     not null default {{schema}}.new_id(),
  constraint "companies_pkey" primary key (organization_id, id)
);

alter table {{schema}}."companies"
  enable row level security;

alter table {{schema}}."companies"
  force row level security;

create table {{schema}}."department_people" (
  "organization_id" uuid                     not null,
  "department_id"   uuid                     not null,
  "user_id"         uuid                     not null,
  "created_by"      uuid,
  "created_at"      timestamp with time zone not null default now(),
  "updated_at"      timestamp with time zone not null default now(),
  "version"         integer                  not null default 1,
  constraint "department_people_pkey" primary key (organization_id, department_id, user_id)
);

alter table {{schema}}."department_people"
  enable row level security;

alter table {{schema}}."department_people"
  force row level security;

create table {{schema}}."departments" (
  "organization_id" uuid                     not null,
  "company_id"      uuid                     not null,
  "branch_id"       uuid                     not null,
  "parent_id"       uuid,
  "code"            text                     not null,
  "name"            text                     not null,
  "description"     text,
  "created_by"      uuid,
  "created_at"      timestamp with time zone not null default now(),
  "updated_at"      timestamp with time zone not null default now(),
  "version"         integer                  not null default 1,
  constraint "departments_code_key" unique (organization_id, company_id, code),
  constraint "departments_code" check ((code ~ '^[A-Z0-9][A-Z0-9_-]{0,31}$'::text)),
  "id"              uuid                     not null default {{schema}}.new_id(),
  constraint "departments_pkey" primary key (organization_id, id),
  constraint "departments_place_key" unique (organization_id, branch_id, company_id, id)
);

alter table {{schema}}."departments"
  enable row level security;

alter table {{schema}}."departments"
  force row level security;

create table {{schema}}."invitation_links" (
  "organization_id" uuid                     not null,
  "invitation_id"   uuid                     not null,
  "created_by"      uuid                     not null,
  "expires_at"      timestamp with time zone not null,
  "created_at"      timestamp with time zone not null default now(),
  "updated_at"      timestamp with time zone not null default now(),
  "version"         integer                  not null default 1,
  "id"              uuid                     not null default {{schema}}.new_id(),
  constraint "invitation_links_pkey" primary key (organization_id, id)
);

alter table {{schema}}."invitation_links"
  enable row level security;

alter table {{schema}}."invitation_links"
  force row level security;

create table {{schema}}."member_words" (
  "organization_id" uuid not null,
  "user_id"         uuid not null,
  "kind"            text not null,
  "word"            text collate pg_catalog."C" not null,
  "role"            text not null,
  "status"          text not null,
  constraint "member_words_kind_check"
    check ((kind = ANY (ARRAY['member'::text, 'name'::text, 'email'::text, 'word'::text]))),
  constraint "member_words_pkey" primary key (organization_id, user_id, kind, word),
  constraint "member_words_status_check"
    check ((status = ANY (ARRAY['active'::text, 'disabled'::text, 'account-deleted'::text, 'removed'::text])))
);

alter table {{schema}}."member_words"
  enable row level security;

alter table {{schema}}."member_words"
  force row level security;

create table {{schema}}."preferences" (
  "user_id"            uuid                     not null,
  "theme"              text                     not null default 'system'::text,
  "language"           text,
  "time_zone"          text,
  "date_format"        text                     not null default 'auto'::text,
  "time_format"        text                     not null default 'auto'::text,
  "editor_font_size"   integer                  not null default 14,
  "editor_tab_size"    integer                  not null default 4,
  "editor_word_wrap"   boolean                  not null default false,
  "terminal_font_size" integer                  not null default 14,
  "custom"             jsonb                    not null default '{}'::jsonb,
  "created_at"         timestamp with time zone not null default now(),
  "updated_at"         timestamp with time zone not null default now(),
  "version"            integer                  not null default 1,
  constraint "preferences_custom_size"
    check (((jsonb_typeof(custom) = 'object'::text) AND (octet_length((custom)::text) <= 16384))),
  constraint "preferences_date_format_check"
    check ((date_format = ANY (ARRAY['auto'::text, 'iso'::text, 'dmy'::text, 'mdy'::text]))),
  constraint "preferences_editor_font_size_check" check (((editor_font_size >= 6) AND (editor_font_size <= 72))),
  constraint "preferences_editor_tab_size_check" check (((editor_tab_size >= 1) AND (editor_tab_size <= 8))),
  constraint "preferences_language_check" check ((char_length(language) <= 35)),
  constraint "preferences_pkey" primary key (user_id),
  constraint "preferences_terminal_font_size_check" check (((terminal_font_size >= 6) AND (terminal_font_size <= 72))),
  constraint "preferences_theme_check" check ((theme = ANY (ARRAY['system'::text, 'light'::text, 'dark'::text]))),
  constraint "preferences_time_format_check"
    check ((time_format = ANY (ARRAY['auto'::text, '12h'::text, '24h'::text]))),
  constraint "preferences_time_zone_check" check ((char_length(time_zone) <= 64))
);

alter table {{schema}}."preferences"
  enable row level security;

create table {{schema}}."seeded_accounts" (
  "user_id"     uuid  not null,
  "hash_digest" bytea not null,
  constraint "seeded_accounts_pkey" primary key (user_id)
);

alter table {{schema}}."seeded_accounts"
  enable row level security;

create table {{schema}}."workspaces" (
  "organization_id" uuid                     not null,
  "name"            text                     not null,
  "workspace_path"  text                     not null,
  "project_id"      uuid,
  "status"          text                     not null default 'active'::text,
  "created_by"      uuid,
  "created_at"      timestamp with time zone not null default now(),
  "updated_at"      timestamp with time zone not null default now(),
  "version"         integer                  not null default 1,
  constraint "workspaces_status_check" check ((status = ANY (ARRAY['active'::text, 'archived'::text]))),
  constraint "workspaces_workspace_path_check"
    check
    (((char_length(workspace_path) >= 1) AND (char_length(workspace_path) <= 1024) AND (workspace_path !~
    '(^|/)[.][.](/|$)|[\u0001-\u001f\u007f]'::text))),
  "id"              uuid                     not null default {{schema}}.new_id(),
  constraint "workspaces_pkey" primary key (organization_id, id)
);

alter table {{schema}}."workspaces"
  enable row level security;

alter table {{schema}}."workspaces"
  force row level security;

alter table {{schema}}."invitations"
  add column "role_id" uuid;

alter table {{schema}}."invitations"
  add column "mail_at" timestamp with time zone default now();

alter table {{schema}}."invitations"
  add column "guest" boolean not null default false;

alter table {{schema}}."one_time_tokens"
  add column "mail_at" timestamp with time zone;

alter table {{schema}}."roles"
  add column "deleted_at" timestamp with time zone;

-- lock: ACCESS EXCLUSIVE on roles: everything waits while every row gets its value, 1 to 10 minutes for 10 million rows. Where that is too long: the column without a default, filled in batches
alter table {{schema}}."roles"
  add column "name_key" text generated always as
    (lower(btrim(regexp_replace(regexp_replace(NORMALIZE(name, NFKC),
    '[\u00ad\u034f\u061c\u180e\u200b-\u200f\u2060-\u206f\ufe00-\ufe0f\ufeff]'::text,
    ''::text, 'g'::text), '\s+'::text, ' '::text, 'g'::text)))) stored not null;

alter table {{schema}}."users"
  add column "guest" boolean not null default false;

alter table {{schema}}."invitations"
  alter column "expires_at" set default (now() + '7 days'::interval);

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

create or replace function {{schema}}.enqueue_job (
  queue_name text,
  data       jsonb,
  start_at   timestamp with time zone default now()
)
  returns uuid
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  job_id uuid;
begin
  if exists (select from jsonb_each_text(data) where value !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$') then
    raise exception 'a job of the queue % is given something that is no id', queue_name using errcode = '22023';
  end if;
  insert into {{jobs}}.job (name, data, start_after, retry_limit, retry_delay, retry_backoff, retry_delay_max, expire_seconds, deletion_seconds, keep_until, dead_letter, policy)
  select name, enqueue_job.data, start_at, retry_limit, retry_delay, retry_backoff, retry_delay_max, expire_seconds, deletion_seconds, greatest(now(), start_at) + make_interval(secs => retention_seconds), dead_letter, policy
  from {{jobs}}.queue where name = queue_name
  returning id into strict job_id;
  return job_id;
end $function$;

create or replace function {{schema}}.fill_invitation_link()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  new.id := new_id();
  new.created_by := coalesce(acting_user(), new.created_by);
  new.created_at := now();
  new.expires_at := now() + interval '7 days';
  return new;
end $function$;

create or replace function {{schema}}.fold_text (
  given text
)
  returns text
  language sql
  immutable
  parallel safe
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select replace(replace(replace(translate(regexp_replace(lower(normalize(given, nfkd)),
    '[\u00ad\u0300-\u036f\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff]', '', 'g'), 'øłđħıς', 'oldhiσ'), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe') $function$;

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

create or replace function {{schema}}.give_preferences()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  insert into preferences (user_id) values (new.id) on conflict do nothing;
  return null;
end $function$;

create or replace function {{schema}}.guard_assignment()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if exists (select from memberships where organization_id = new.organization_id and user_id = new.user_id and deleted_at is not null) then
    raise exception 'the membership has ended' using errcode = '23514', constraint = 'department_people_member';
  end if;
  return new;
end $function$;

create or replace function {{schema}}.guard_founder()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if exists (select from users where id = acting_user() and guest) then
    raise exception 'a guest creates no organization' using errcode = '23514', constraint = 'organizations_of_guests';
  end if;
  return null;
end $function$;

create or replace function {{schema}}.guard_guest()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if exists (select from users where id = new.user_id and guest) then
    raise exception 'a guest is a viewer' using errcode = '23514', constraint = 'memberships_of_guests';
  end if;
  return null;
end $function$;

create or replace function {{schema}}.guard_invited_role()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  perform require_offerable_role(new.role, new.role_id);
  return null;
end $function$;

create or replace function {{schema}}.guard_membership()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  wanted constant text := coalesce(current_setting('app.permission', true), '');
  is_own constant boolean := new.user_id = acting_user();
  concerns_owners constant boolean := tg_op = 'UPDATE' and (new.role = 'owner' or old.role = 'owner');
  ends_only constant boolean := tg_op = 'UPDATE' and old.deleted_at is null and new.deleted_at is not null
    and (old.role, old.role_id, old.title, old.company, old.disabled_at) is not distinct from (new.role, new.role_id, new.title, new.company, new.disabled_at);
  transfers_only constant boolean := tg_op = 'UPDATE' and new.role_id is null
    and (old.title, old.company, old.disabled_at, old.deleted_at) is not distinct from (new.title, new.company, new.disabled_at, new.deleted_at);
  reopens constant boolean := tg_op = 'UPDATE' and old.deleted_at is not null and old.deleted_at is distinct from new.deleted_at;
begin
  if tg_op = 'UPDATE' then
    new.removed_at := case when new.deleted_at is null then null
      when wanted = 'members:write' and not is_own and old.deleted_at is distinct from new.deleted_at then now() else old.removed_at end;
  end if;
  if nullif(current_setting('app.session_id', true), '') is null then
    return new;
  end if;
  if tg_op = 'INSERT' and wanted <> '' then
    raise exception 'no request adds a member' using errcode = '42501';
  end if;
  if wanted = 'members:write' and concerns_owners
    and (old.role, old.disabled_at, old.deleted_at) is distinct from (new.role, new.disabled_at, new.deleted_at)
    and not exists (select from gate where organization_id = new.organization_id and role = 'owner') then
    raise exception 'only an owner decides who is an owner' using errcode = '23514', constraint = 'memberships_owner_by_owner';
  end if;
  if wanted = 'members:write' and is_own and tg_op = 'UPDATE' and old.disabled_at is null and new.disabled_at is not null then
    raise exception 'another member must disable this one' using errcode = '23514', constraint = 'memberships_disabled_by_another';
  end if;
  if wanted = 'members:write' and reopens and new.deleted_at is null then
    -- The account is not deleted meanwhile, and its row comes after that of the membership in the order of locks.
    perform from users where id = new.user_id for no key update;
  end if;
  if wanted = 'members:write' and reopens and not exists (select from users u where u.id = new.user_id and case when new.deleted_at is null
      then old.removed_at > now() - interval '30 days' and u.deleted_at is null
      else old.removed_at is null and u.deleted_at = old.deleted_at and u.erased_at is null end) then
    raise exception 'the membership has ended' using errcode = '23514', constraint = 'memberships_restorable';
  end if;
  if wanted = 'invitations:write' or wanted = 'organization:leave' and not (is_own and ends_only)
    or wanted = 'organization:transfer' and not (transfers_only and new.role = case when is_own then 'admin' else 'owner' end) then
    raise exception '% does not allow this change of a membership', wanted using errcode = '42501';
  end if;
  return new;
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

create or replace function {{schema}}.hold_accounts (
  ids uuid[]
)
  returns uuid[]
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  perform from users u where u.id = any (ids)
    and exists (select from memberships m where m.organization_id = nullif(current_setting('app.organization_id', true), '')::uuid and m.user_id = u.id)
  order by u.id for no key update;
  return ids;
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

create or replace function {{schema}}.hold_structure (
  organization uuid
)
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  perform pg_advisory_xact_lock(lock_key('structure', organization::text));
end $function$;

create or replace function {{schema}}.is_over_mail_quota (
  mail_purpose text,
  addressee    text,
  mail_sender  text,
  mail_client  text
)
  returns boolean
  language sql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select count(*) filter (where sender = mail_sender) >= 5 or count(*) filter (where client = mail_client) >= 5 or count(*) >= 20
  from one_time_tokens where email = addressee and purpose = mail_purpose and created_at > now() - interval '1 hour'
    and (sender not like 'client %' or details ? 'mailed_at') $function$;

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

create or replace function {{schema}}.keep_mail_quota()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  new.client := case when new.sender like 'user %' then nullif(mail_client(), 'client ') end;
  -- The emails of an organization are created one at a time already, under its own key, up to a thousand in one transaction: they
  -- take no key of each address, and the job that sends them counts those of all senders again.
  if new.sender not like 'organization %' then
    perform lock_mails(new.purpose, new.email);
  end if;
  if is_over_mail_quota(new.purpose, new.email, new.sender, new.client) then
    raise exception 'too many mails of this kind went to the address within an hour' using errcode = '23514', constraint = 'one_time_tokens_mail_quota';
  end if;
  return new;
end $function$;

create or replace function {{schema}}.keep_member_words (
  person       uuid,
  organization uuid default null::uuid
)
  returns void
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  set enable_seqscan to 'off'
  AS $function$ -- a plan that was made while the tables were empty would scan them for each membership
declare
  place record;
begin
  for place in
    select m.organization_id, case when m.role_id is null then m.role else 'custom' end as role, case
        when u.erased_at is not null then null
        when m.deleted_at is null then case when m.disabled_at is null then 'active' else 'disabled' end
        when m.removed_at is not null then case when u.deleted_at is null then 'removed' end
        when m.deleted_at = u.deleted_at then 'account-deleted' end as status,
      u.email, u.username, u.given_name, u.family_name, u.full_name
    from memberships m join users u on u.id = m.user_id
    where m.user_id = person and (organization is null or m.organization_id = organization)
  loop
    with wanted as materialized (
      select w.kind, w.word from words_of_member(place.email, place.username, place.given_name, place.family_name, place.full_name) w where place.status is not null),
    gone as (
      delete from member_words d where d.organization_id = place.organization_id and d.user_id = person
        and not exists (select from wanted w where w.kind = d.kind and w.word = d.word))
    insert into member_words as kept (organization_id, user_id, kind, word, role, status)
    select place.organization_id, person, w.kind, w.word, place.role, place.status from wanted w
    on conflict (organization_id, user_id, kind, word) do update set role = excluded.role, status = excluded.status
      where (kept.role, kept.status) is distinct from (excluded.role, excluded.status);
  end loop;
end $function$;

create or replace function {{schema}}.keep_open_limit()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if exists (select from (select distinct organization_id from written where accepted_at is null and revoked_at is null) o
    where (select count(*) from invitations i where i.organization_id = o.organization_id and i.accepted_at is null and i.revoked_at is null
      and i.expires_at > now()) > 1000) then
    raise exception 'an organization has at most 1000 open invitations' using errcode = '23514', constraint = 'invitations_open_limit';
  end if;
  return null;
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

create or replace function {{schema}}.keep_words_of_account()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  perform keep_member_words(new.id);
  return null;
end $function$;

create or replace function {{schema}}.keep_words_of_membership()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if tg_op = 'DELETE' then
    delete from member_words where organization_id = old.organization_id and user_id = old.user_id;
  else
    perform keep_member_words(new.user_id, new.organization_id);
  end if;
  return null;
end $function$;

create or replace function {{schema}}.lock_account()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  perform from users where id = new.user_id for no key update;
  return new;
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

create or replace function {{schema}}.lock_structure()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  organization constant uuid := nullif(current_setting('app.organization_id', true), '')::uuid;
begin
  if organization is not null then -- in a migration it is
    perform hold_structure(organization);
  end if;
  return null;
end $function$;

create or replace function {{schema}}.mail_invitation()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  sender_name constant text := 'organization ' || new.organization_id;
  has_ended constant boolean := new.accepted_at is not null or new.revoked_at is not null;
  token_id uuid;
begin
  if not has_ended and new.mail_at is not null then
    new.invited_by := coalesce(acting_user(), new.invited_by);
    perform pg_advisory_xact_lock(lock_key('mail', sender_name));
    perform pg_advisory_xact_lock(lock_key('mail', 'inviter ' || new.invited_by));
    if is_over_mail_quota('invitation', new.email, sender_name, null) or (select count(*) from one_time_tokens where email = new.email
        and purpose = 'invitation' and details ->> 'invited_by' = new.invited_by::text and created_at > now() - interval '1 hour') >= 5 then
      if exists (select from gate where organization_id = new.organization_id and writes) then
        return null;
      end if;
      -- Another organization's row, which its policy refuses, whatever the quota is.
      new.mail_at := null;
      return new;
    end if;
  end if;
  if tg_op = 'UPDATE' then
    update one_time_tokens set used_at = now(), mail_at = case when mail_at <= now() then mail_at end
    where email = new.email and purpose = 'invitation' and used_at is null and details ->> 'invitation_id' = new.id::text;
    if has_ended then
      new.mail_at := case when old.mail_at <= now() then old.mail_at end;
    end if;
  end if;
  if has_ended or new.mail_at is null then
    return new;
  end if;
  new.mail_at := case when tg_op = 'UPDATE' and old.mail_at > now() then old.mail_at else next_mail_at(sender_name) end;
  new.expires_at := new.mail_at + interval '7 days';
  insert into one_time_tokens (purpose, email, details, expires_at, sender, mail_at)
  values ('invitation', new.email, jsonb_build_object('organization_id', new.organization_id, 'invitation_id', new.id, 'version', new.version,
    'invited_by', new.invited_by), new.expires_at, sender_name, new.mail_at)
  returning id into token_id;
  perform enqueue_job('mail', jsonb_build_object('token_id', token_id), new.mail_at);
  return new;
end $function$;

create or replace function {{schema}}.make_invitation_link()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  invitation invitations%rowtype;
begin
  select * into invitation from invitations where organization_id = new.organization_id and id = new.invitation_id and accepted_at is null and revoked_at is null;
  if invitation.id is null or not exists (select from live_inviters i where i.organization_id = new.organization_id and i.user_id = invitation.invited_by
      and permissions_of(new.organization_id, invitation.role, invitation.role_id) <@ permissions_of(i.organization_id, i.role, i.role_id)) then
    raise exception 'the invitation has ended' using errcode = '23514', constraint = 'invitation_links_open';
  end if;
  if invitation.role = 'owner' and not exists (select from gate where organization_id = new.organization_id and role = 'owner') then
    raise exception 'only an owner decides who is an owner' using errcode = '23514', constraint = 'invitation_links_owner_by_owner';
  end if;
  perform require_offerable_role(invitation.role, invitation.role_id);
  update one_time_tokens set used_at = now()
  where email = invitation.email and purpose = 'invitation-link' and used_at is null and details ->> 'invitation_id' = new.invitation_id::text;
  insert into one_time_tokens (id, purpose, email, details, expires_at)
  values (new.id, 'invitation-link', invitation.email, jsonb_build_object('organization_id', new.organization_id, 'invitation_id', new.invitation_id,
    'version', invitation.version, 'made_by', new.created_by), new.expires_at);
  return null;
end $function$;

create or replace function {{schema}}.next_mail_at (
  mail_sender text
)
  returns timestamp with time zone
  language sql
  set search_path to {{schema}}, 'pg_temp'
  set enable_sort to 'off'
  set enable_bitmapscan to 'off'
  AS $function$
  select greatest(now(), (select mail_at from one_time_tokens where sender = mail_sender and mail_at is not null
    order by mail_at desc offset 199 limit 1) + interval '1 hour') $function$;

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

create or replace function {{schema}}.place_department()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  parent record;
  above integer;
  below integer;
begin
  if tg_op = 'UPDATE' and new.id <> old.id then
    raise exception 'the id of a department never changes' using errcode = '42501';
  end if;
  if pg_trigger_depth() > 1 then
    return new;
  end if;
  if tg_op = 'INSERT' or new.branch_id <> old.branch_id then
    -- Without a branch it is no company's id, and the key refuses the row.
    new.company_id := coalesce((select company_id from branches where organization_id = new.organization_id and id = new.branch_id), new.branch_id);
  end if;
  if new.parent_id is null or tg_op = 'UPDATE' and (new.parent_id, new.branch_id) = (old.parent_id, old.branch_id) then
    return new;
  end if;
  select company_id, branch_id into parent from departments where organization_id = new.organization_id and id = new.parent_id;
  if parent.company_id <> new.company_id then
    raise exception 'the parent belongs to another company' using errcode = '23514', constraint = 'departments_parent_company';
  elsif parent.branch_id <> new.branch_id then
    raise exception 'the parent belongs to another branch' using errcode = '23514', constraint = 'departments_parent_branch';
  end if;
  with recursive line as (
    select new.parent_id as id, 1 as level
    union all
    select d.parent_id, line.level + 1 from line join departments d on d.organization_id = new.organization_id and d.id = line.id
    where d.parent_id is not null and line.id <> new.id and line.level <= 30)
  select case when bool_or(id = new.id) then null else max(level) end into above from line;
  if above is null then
    raise exception 'a department is not below itself' using errcode = '23514', constraint = 'departments_no_cycle';
  end if;
  with recursive tree as (
    select new.id, 1 as level
    union all
    select d.id, tree.level + 1 from tree join departments d on d.organization_id = new.organization_id and d.parent_id = tree.id
    where tree.level <= 30)
  select max(level) into below from tree;
  if above + below > 30 then
    raise exception 'departments nest too deeply' using errcode = '23514', constraint = 'departments_depth';
  end if;
  return new;
end $function$;

create or replace function {{schema}}.refusal_of_offer (
  built_in text,
  custom   uuid
)
  returns text
  language sql
  stable
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  -- A caller of another organization learns nothing about the roles of this one.
  select case when own.permissions is null then 'role-exceeds-own'
    when custom is not null and not exists (select from roles where organization_id = place.id and id = custom and deleted_at is null) then 'invalid-fields'
    when not permissions_of(place.id, built_in, custom) <@ own.permissions then 'role-exceeds-own' end
  from (select nullif(current_setting('app.organization_id', true), '')::uuid as id) as place
  left join own_organizations own on own.id = place.id $function$;

create or replace function {{schema}}.require_offerable_role (
  built_in text,
  custom   uuid
)
  returns void
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  place constant uuid := nullif(current_setting('app.organization_id', true), '')::uuid;
begin
  if nullif(current_setting('app.session_id', true), '') is null then
    return;
  end if;
  if custom is not null then
    perform from roles where organization_id = place and id = custom and deleted_at is null for share;
    if not found then
      raise exception 'there is no such role' using errcode = '23503', constraint = 'invitations_role_fkey';
    end if;
  end if;
  perform pg_advisory_xact_lock_shared(lock_key('revocation', acting_user()::text));
  perform pg_advisory_xact_lock_shared(lock_key('revocation', place::text));
  if not gate_is_open() then
    raise exception 'the gate closed before the change' using errcode = '42501';
  end if;
  perform require_own_permissions(permissions_of(place, built_in, custom));
end $function$;

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

create or replace function {{schema}}.search_words (
  given text
)
  returns text[]
  language sql
  immutable
  parallel safe
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select coalesce(array_agg(word order by length(word) desc, word collate "C"), '{}')
  from (select distinct left(part, 64) as word from regexp_split_to_table(fold_text(given), '\s+') as part where part <> '') as words $function$;

create or replace function {{schema}}.spend_invitation_links()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  update one_time_tokens set used_at = now()
  where email = new.email and purpose = 'invitation-link' and used_at is null and details ->> 'invitation_id' = new.id::text;
  return null;
end $function$;

create or replace function {{schema}}.word_beginnings (
  given  text,
  ending text default ''::text
)
  returns SETOF text
  language plpgsql
  immutable
  parallel safe
  strict
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  chunk text;
begin
  foreach chunk in array regexp_split_to_array(fold_text(given), '\s+') loop
    while chunk <> '' loop
      return next left(chunk || ending, 64);
      chunk := substring(chunk from '^[^-._+,;:/()&@"''’]*[-._+,;:/()&@"''’]+(.*)$');
    end loop;
  end loop;
end $function$;

create or replace function {{schema}}.words_of_member (
  email       text,
  username    text,
  given_name  text,
  family_name text,
  full_name   text
)
  returns table (
    kind text,
    word text
  )
  language sql
  immutable
  parallel safe
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select 'member', '' collate "C"
  union all select 'email', left(email, 254) collate "C"
  union all select 'name', left(fold_text(coalesce(full_name, nullif(concat_ws(' ', given_name, family_name), ''), username, email)), 200) collate "C"
  union all (select 'word', found.word collate "C" from (
      select 1 as place, left(fold_text(split_part(email, '@', 2)), 64) as word
      union all select 2, word_beginnings(split_part(email, '@', 1), '@' || fold_text(split_part(email, '@', 2)))
      union all select 3, word_beginnings(username)
      union all select 4, word_beginnings(family_name)
      union all select 5, word_beginnings(given_name)
      union all select 6, word_beginnings(full_name)) as found
    where found.word <> '' group by found.word collate "C", found.word order by min(found.place), found.word collate "C" limit 50) $function$;

alter table {{schema}}."branches"
  add constraint "branches_created_by_fkey" foreign key (organization_id, created_by)
    references {{schema}}.memberships(organization_id, user_id);

alter table {{schema}}."branches"
  add constraint "branches_organization_id_fkey" foreign key (organization_id)
    references {{schema}}.organizations(id) on delete cascade;

alter table {{schema}}."companies"
  add constraint "companies_created_by_fkey" foreign key (organization_id, created_by)
    references {{schema}}.memberships(organization_id, user_id);

alter table {{schema}}."companies"
  add constraint "companies_organization_id_fkey" foreign key (organization_id)
    references {{schema}}.organizations(id) on delete cascade;

alter table {{schema}}."department_people"
  add constraint "department_people_created_by_fkey" foreign key (organization_id, created_by)
    references {{schema}}.memberships(organization_id, user_id);

alter table {{schema}}."department_people"
  add constraint "department_people_organization_id_fkey" foreign key (organization_id)
    references {{schema}}.organizations(id) on delete cascade;

alter table {{schema}}."department_people"
  add constraint "department_people_user_fkey" foreign key (organization_id, user_id)
    references {{schema}}.memberships(organization_id, user_id);

alter table {{schema}}."departments"
  add constraint "departments_created_by_fkey" foreign key (organization_id, created_by)
    references {{schema}}.memberships(organization_id, user_id);

alter table {{schema}}."departments"
  add constraint "departments_organization_id_fkey" foreign key (organization_id)
    references {{schema}}.organizations(id) on delete cascade;

alter table {{schema}}."invitation_links"
  add constraint "invitation_links_created_by_fkey" foreign key (organization_id, created_by)
    references {{schema}}.memberships(organization_id, user_id);

alter table {{schema}}."invitation_links"
  add constraint "invitation_links_invitation_fkey" foreign key (organization_id, invitation_id)
    references {{schema}}.invitations(organization_id, id) on delete cascade;

alter table {{schema}}."invitation_links"
  add constraint "invitation_links_organization_id_fkey" foreign key (organization_id)
    references {{schema}}.organizations(id) on delete cascade;

-- lock: ACCESS EXCLUSIVE on invitations, for a moment: from now on new rows are checked
alter table {{schema}}."invitations"
  add constraint "invitations_of_guests" check (((NOT guest) OR (role = 'viewer'::text))) not valid;

-- lock: SHARE ROW EXCLUSIVE on invitations, for a moment: from now on new rows are checked
alter table {{schema}}."invitations"
  add constraint "invitations_role_fkey" foreign key (organization_id, role_id)
    references {{schema}}.roles(organization_id, id) not valid;

-- lock: ACCESS EXCLUSIVE on invitations, for a moment: from now on new rows are checked
alter table {{schema}}."invitations"
  add constraint "invitations_role_id" check (((role_id IS NULL) OR (role = 'member'::text))) not valid;

alter table {{schema}}."preferences"
  add constraint "preferences_user_id_fkey" foreign key (user_id) references {{schema}}.users(id)
    on delete cascade;

-- lock: ACCESS EXCLUSIVE on roles, for a moment: from now on new rows are checked
alter table {{schema}}."roles"
  add constraint "roles_name_reserved"
    check
    ((name_key <> ALL (ARRAY[''::text, 'owner'::text, 'admin'::text, 'member'::text, 'viewer'::text, 'custom'::text,
    'guest'::text, 'superuser'::text]))) not valid;

alter table {{schema}}."seeded_accounts"
  add constraint "seeded_accounts_user_id_fkey" foreign key (user_id) references {{schema}}.users(id)
    on delete cascade;

alter table {{schema}}."workspaces"
  add constraint "workspaces_created_by_fkey" foreign key (organization_id, created_by)
    references {{schema}}.memberships(organization_id, user_id);

alter table {{schema}}."workspaces"
  add constraint "workspaces_organization_id_fkey" foreign key (organization_id)
    references {{schema}}.organizations(id) on delete cascade;

alter table {{schema}}."workspaces"
  add constraint "workspaces_project_id_fkey" foreign key (organization_id, project_id)
    references {{schema}}.projects(organization_id, id) on delete set null (project_id);

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

create view {{schema}}."live_inviters" with (security_barrier=true) AS  SELECT m.organization_id,
    m.user_id,
    m.role,
    m.role_id
   FROM ({{schema}}.memberships m
     JOIN {{schema}}.users u ON (((u.id = m.user_id) AND (u.disabled_at IS NULL) AND (u.deleted_at IS NULL))))
  WHERE ((m.disabled_at IS NULL) AND (m.deleted_at IS NULL) AND
        CASE
            WHEN (m.role_id IS NULL) THEN (EXISTS ( SELECT
               FROM {{schema}}.role_permissions p
              WHERE ((p.permission = 'invitations:write'::text) AND (p.role = m.role))))
            ELSE (EXISTS ( SELECT
               FROM {{schema}}.custom_role_permissions p
              WHERE ((p.organization_id = m.organization_id) AND (p.role_id = m.role_id) AND (p.permission = 'invitations:write'::text))))
        END);

create view {{schema}}."live_invitations" with (security_barrier=true) AS  SELECT invited.id AS user_id,
    i.organization_id,
    i.id,
        CASE
            WHEN invited.guest THEN 'viewer'::text
            WHEN (i.role_id IS NULL) THEN i.role
            ELSE 'custom'::text
        END AS role,
        CASE
            WHEN (NOT invited.guest) THEN i.role_id
            ELSE NULL::uuid
        END AS role_id,
        CASE
            WHEN (NOT invited.guest) THEN ( SELECT r.name
               FROM {{schema}}.roles r
              WHERE ((r.organization_id = i.organization_id) AND (r.id = i.role_id)))
            ELSE NULL::text
        END AS role_name,
    i.title,
    i.company,
    i.expires_at,
    i.created_at,
    o.name AS organization_name,
    COALESCE(inviting.full_name, inviting.given_name) AS inviter_name
   FROM (((({{schema}}.users invited
     CROSS JOIN LATERAL ( SELECT invitations.organization_id,
            invitations.id,
            invitations.email,
            invitations.role,
            invitations.role_id,
            invitations.title,
            invitations.company,
            invitations.invited_by,
            invitations.expires_at,
            invitations.mail_at,
            invitations.accepted_at,
            invitations.revoked_at,
            invitations.created_at,
            invitations.updated_at,
            invitations.version,
            invitations.guest
           FROM {{schema}}.invitations
          WHERE ((invitations.email = invited.email) AND (invitations.accepted_at IS NULL) AND (invitations.revoked_at IS NULL) AND (invitations.expires_at > now()))
         OFFSET 0) i)
     JOIN {{schema}}.organizations o ON (((o.id = i.organization_id) AND (o.deleted_at IS NULL))))
     JOIN {{schema}}.users inviting ON ((inviting.id = i.invited_by)))
     CROSS JOIN LATERAL ( SELECT l.role,
            l.role_id
           FROM {{schema}}.live_inviters l
          WHERE ((l.organization_id = i.organization_id) AND (l.user_id = i.invited_by))
         OFFSET 0) inviter)
  WHERE ((invited.disabled_at IS NULL) AND (invited.deleted_at IS NULL) AND invited.email_verified AND (NOT (EXISTS ( SELECT
           FROM {{schema}}.role_permissions wanted
          WHERE ((wanted.role =
                CASE
                    WHEN (i.role_id IS NULL) THEN i.role
                    ELSE 'admin'::text
                END) AND ((i.role_id IS NULL) OR (EXISTS ( SELECT
                   FROM {{schema}}.custom_role_permissions c
                  WHERE ((c.organization_id = i.organization_id) AND (c.role_id = i.role_id) AND (c.permission = wanted.permission))))) AND (NOT (EXISTS ( SELECT
                   FROM {{schema}}.role_permissions own
                  WHERE ((own.permission = wanted.permission) AND (own.role =
                        CASE
                            WHEN (inviter.role_id IS NULL) THEN inviter.role
                            ELSE 'admin'::text
                        END) AND ((inviter.role_id IS NULL) OR (EXISTS ( SELECT
                           FROM {{schema}}.custom_role_permissions c
                          WHERE ((c.organization_id = i.organization_id) AND (c.role_id = inviter.role_id) AND (c.permission = wanted.permission))))))))))))));

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
    guest
   FROM {{schema}}.users
  WHERE ((disabled_at IS NULL) AND (deleted_at IS NULL));

create view {{schema}}."own_invitations" with (security_barrier=true) AS  SELECT i.id,
    i.organization_id,
    i.organization_name,
    i.inviter_name,
    i.role,
    i.role_id,
    i.role_name,
    i.title,
    i.company,
    i.expires_at,
    i.created_at,
    self.user_id
   FROM ({{schema}}.self
     CROSS JOIN LATERAL ( SELECT live_invitations.user_id,
            live_invitations.organization_id,
            live_invitations.id,
            live_invitations.role,
            live_invitations.role_id,
            live_invitations.role_name,
            live_invitations.title,
            live_invitations.company,
            live_invitations.expires_at,
            live_invitations.created_at,
            live_invitations.organization_name,
            live_invitations.inviter_name
           FROM {{schema}}.live_invitations
          WHERE (live_invitations.user_id = self.user_id)
         OFFSET 0) i);

create or replace view {{schema}}."own_organizations" with (security_barrier=true) AS  SELECT o.id,
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

create index branches_created_by on {{schema}}.branches using btree (organization_id, created_by);

create index companies_created_by on {{schema}}.companies using btree (organization_id, created_by);

create index department_people_created_by on {{schema}}.department_people
  using btree (organization_id, created_by);

create index department_people_user on {{schema}}.department_people
  using btree (organization_id, user_id, department_id);

create index departments_created_by on {{schema}}.departments using btree (organization_id, created_by);

create index departments_parent on {{schema}}.departments
  using btree (organization_id, parent_id, branch_id, company_id)
  where (parent_id is not null);

create index invitation_links_created_by on {{schema}}.invitation_links
  using btree (organization_id, created_by);

create index invitation_links_invitation on {{schema}}.invitation_links
  using btree (organization_id, invitation_id);

create index member_words_order on {{schema}}.member_words
  using btree (organization_id, kind, status, role, word, user_id);

create index workspaces_created_by on {{schema}}.workspaces using btree (organization_id, created_by);

create index workspaces_project_id on {{schema}}.workspaces using btree (organization_id, project_id);

create trigger history
  after insert or delete or update on {{schema}}.branches
  for each row
  execute function {{schema}}.record_change('branches', '{company_id,code,name,description,created_by}');

create constraint TRIGGER still_open
  after insert or delete or update on {{schema}}.branches deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger structure
  before insert or delete or update on {{schema}}.branches
  for each STATEMENT
  execute function {{schema}}.lock_structure();

create trigger touch
  before update on {{schema}}.branches
  for each row
  execute function {{schema}}.touch();

create trigger history
  after insert or delete or update on {{schema}}.companies
  for each row
  execute function {{schema}}.record_change('companies', '{code,name,description,created_by}');

create constraint TRIGGER still_open
  after insert or delete or update on {{schema}}.companies deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger structure
  before insert or delete or update on {{schema}}.companies
  for each STATEMENT
  execute function {{schema}}.lock_structure();

create trigger touch
  before update on {{schema}}.companies
  for each row
  execute function {{schema}}.touch();

create trigger role_rule
  before insert or delete on {{schema}}.custom_role_permissions
  for each row
  execute function {{schema}}.guard_role_permission();

create trigger guard
  before insert on {{schema}}.department_people
  for each row
  execute function {{schema}}.guard_assignment();

create trigger history
  after insert or delete or update on {{schema}}.department_people
  for each row
  execute function {{schema}}.record_change('department_people', '{department_id,user_id,created_by}');

create constraint TRIGGER still_open
  after insert or delete or update on {{schema}}.department_people deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger touch
  before update on {{schema}}.department_people
  for each row
  execute function {{schema}}.touch();

create trigger history
  after insert or delete or update on {{schema}}.departments
  for each row
  execute function
    {{schema}}.record_change('departments',
    '{company_id,branch_id,parent_id,code,name,description,created_by}');

create trigger place
  before insert or update on {{schema}}.departments
  for each row
  execute function {{schema}}.place_department();

create constraint TRIGGER still_open
  after insert or delete or update on {{schema}}.departments deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger structure
  before insert or delete or update on {{schema}}.departments
  for each STATEMENT
  execute function {{schema}}.lock_structure();

create trigger touch
  before update on {{schema}}.departments
  for each row
  execute function {{schema}}.touch();

create trigger fill
  before insert on {{schema}}.invitation_links
  for each row
  execute function {{schema}}.fill_invitation_link();

create trigger history
  after insert or delete or update on {{schema}}.invitation_links
  for each row
  execute function {{schema}}.record_change('invitation_links', '{invitation_id,created_by,expires_at}');

create trigger make
  after insert on {{schema}}.invitation_links
  for each row
  execute function {{schema}}.make_invitation_link();

create constraint TRIGGER still_open
  after insert or delete or update on {{schema}}.invitation_links deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger touch
  before update on {{schema}}.invitation_links
  for each row
  execute function {{schema}}.touch();

create trigger guard_role
  after insert or update on {{schema}}.invitations
  for each row
  when (((new.accepted_at IS NULL) AND (new.revoked_at IS NULL)))
  execute function {{schema}}.guard_invited_role();

create trigger history
  after insert or delete or update on {{schema}}.invitations
  for each row
  execute function
    {{schema}}.record_change('invitations',
    '{role,role_id,guest,invited_by,expires_at,accepted_at,revoked_at}');

create trigger open_limit_insert
  after insert on {{schema}}.invitations referencing NEW table as written
  for each STATEMENT
  execute function {{schema}}.keep_open_limit();

create trigger open_limit_update
  after update on {{schema}}.invitations referencing NEW table as written
  for each STATEMENT
  execute function {{schema}}.keep_open_limit();

create trigger spend_links
  after update on {{schema}}.invitations
  for each row
  execute function {{schema}}.spend_invitation_links();

create trigger with_mail
  before insert or update of mail_at, accepted_at, revoked_at on {{schema}}.invitations
  for each row
  execute function {{schema}}.mail_invitation();

create trigger creation
  before insert on {{schema}}.memberships
  for each row
  when (((NULLIF(current_setting('app.session_id'::text, true), ''::text) IS
    NOT NULL) AND (COALESCE(current_setting('app.permission'::text, true), ''::text) = ''::text) AND
    pg_has_role(CURRENT_USER, 'freehold_tenant'::name, 'member'::text)))
  execute function {{schema}}.guard_creation();

create trigger guest_insert
  after insert on {{schema}}.memberships
  for each row
  when (((new.role <> 'viewer'::text) OR (new.role_id IS NOT NULL)))
  execute function {{schema}}.guard_guest();

create trigger guest_update
  after update of role, role_id, deleted_at on {{schema}}.memberships
  for each row
  when (((new.deleted_at IS NULL) AND ((new.role <> 'viewer'::text) OR (new.role_id IS NOT NULL))))
  execute function {{schema}}.guard_guest();

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

create trigger founder
  after insert on {{schema}}.organizations
  for each row
  execute function {{schema}}.guard_founder();

create constraint TRIGGER still_open
  after update on {{schema}}.preferences deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger touch
  before update on {{schema}}.preferences
  for each row
  execute function {{schema}}.touch();

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

create trigger event_update
  after update on {{schema}}.users
  for each row
  when
    (((old.email IS DISTINCT FROM new.email) OR (old.username IS DISTINCT FROM new.username) OR (old.password_hash IS
    DISTINCT FROM new.password_hash) OR (old.given_name IS DISTINCT FROM new.given_name) OR
    (old.family_name IS DISTINCT FROM new.family_name) OR (old.full_name IS DISTINCT FROM new.full_name) OR
    (old.superuser IS DISTINCT FROM new.superuser) OR (old.guest IS DISTINCT FROM new.guest) OR
    (old.email_verified_at IS DISTINCT FROM new.email_verified_at) OR (old.disabled_at IS DISTINCT FROM new.disabled_at)
    OR (old.deleted_at IS DISTINCT FROM new.deleted_at)))
  execute function {{schema}}.record_account();

create trigger give_preferences
  after insert on {{schema}}.users
  for each row
  execute function {{schema}}.give_preferences();

create trigger touch
  before update of email,
    username,
    password_hash,
    given_name,
    family_name,
    full_name, superuser, guest, email_verified_at, locale, disabled_at, deleted_at on {{schema}}.users
  for each row
  execute function {{schema}}.touch();

create trigger history
  after insert or delete or update on {{schema}}.workspaces
  for each row
  execute function
    {{schema}}.record_change('workspaces', '{name,workspace_path,project_id,status,created_by}');

create constraint TRIGGER still_open
  after insert or delete or update on {{schema}}.workspaces deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger touch
  before update on {{schema}}.workspaces
  for each row
  execute function {{schema}}.touch();

create policy "maintenance" on {{schema}}."branches"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "tenant_delete" on {{schema}}."branches"
  for delete
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{structure:write}'::text[]))))));

create policy "tenant_insert" on {{schema}}."branches"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE (gate.writes AND (gate.permission = ANY ('{structure:write}'::text[]))))));

create policy "tenant_read" on {{schema}}."branches"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.reads)));

create policy "tenant_update" on {{schema}}."branches"
  for update
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{structure:write}'::text[]))))));

create policy "maintenance" on {{schema}}."companies"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "tenant_delete" on {{schema}}."companies"
  for delete
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{structure:write}'::text[]))))));

create policy "tenant_insert" on {{schema}}."companies"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE (gate.writes AND (gate.permission = ANY ('{structure:write}'::text[]))))));

create policy "tenant_read" on {{schema}}."companies"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.reads)));

create policy "tenant_update" on {{schema}}."companies"
  for update
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{structure:write}'::text[]))))));

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

create policy "maintenance" on {{schema}}."department_people"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "tenant_delete" on {{schema}}."department_people"
  for delete
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{structure:write}'::text[]))))));

create policy "tenant_insert" on {{schema}}."department_people"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE (gate.writes AND (gate.permission = ANY ('{structure:write}'::text[]))))));

create policy "tenant_read" on {{schema}}."department_people"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.reads)));

create policy "maintenance" on {{schema}}."departments"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "tenant_delete" on {{schema}}."departments"
  for delete
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{structure:write}'::text[]))))));

create policy "tenant_insert" on {{schema}}."departments"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE (gate.writes AND (gate.permission = ANY ('{structure:write}'::text[]))))));

create policy "tenant_read" on {{schema}}."departments"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.reads)));

create policy "tenant_update" on {{schema}}."departments"
  for update
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{structure:write}'::text[]))))));

create policy "maintenance" on {{schema}}."invitation_links"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "tenant_insert" on {{schema}}."invitation_links"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE (gate.writes AND (gate.permission = ANY ('{invitations:write}'::text[]))))));

create policy "tenant_read" on {{schema}}."invitation_links"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.reads)));

create policy "holders" on {{schema}}."invitations"
  for select
  to "freehold_owner"
  using (true);

create policy "views" on {{schema}}."invitations"
  for select
  to "freehold_owner"
  using (true);

create policy "maintenance" on {{schema}}."member_words"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "tenant_read" on {{schema}}."member_words"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.reads)));

create policy "upkeep" on {{schema}}."member_words"
  for all
  to "freehold_owner"
  using ((pg_trigger_depth() > 0));

create policy "locking" on {{schema}}."organizations"
  for update
  to "freehold_owner"
  using (true)
  with check (false);

create policy "self_update" on {{schema}}."preferences"
  for update
  to "freehold_tenant"
  using ((user_id = ( select self.user_id
   from {{schema}}.self)));

create policy "self" on {{schema}}."preferences"
  for select
  to "freehold_tenant"
  using ((user_id = ( select self.user_id
   from {{schema}}.self)));

create policy "system" on {{schema}}."preferences"
  for all
  to "freehold_system"
  using (true);

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

create policy "system" on {{schema}}."seeded_accounts"
  for all
  to "freehold_system"
  using (true);

create policy "maintenance" on {{schema}}."workspaces"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "tenant_delete" on {{schema}}."workspaces"
  for delete
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{workspaces:write}'::text[]))))));

create policy "tenant_insert" on {{schema}}."workspaces"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE (gate.writes AND (gate.permission = ANY ('{workspaces:write}'::text[]))))));

create policy "tenant_read" on {{schema}}."workspaces"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.reads)));

create policy "tenant_update" on {{schema}}."workspaces"
  for update
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where (gate.writes AND (gate.permission = ANY ('{workspaces:write}'::text[]))))));

revoke all on function {{schema}}."complete_role"() from public;

revoke all on function {{schema}}."enqueue_job"(text, jsonb, timestamp with time zone) from public;

grant execute
  on function {{schema}}."enqueue_job"(text, jsonb, timestamp with time zone)
  to "freehold_system";

revoke all on function {{schema}}."fill_invitation_link"() from public;

revoke all on function {{schema}}."fold_text"(text) from public;

grant execute on function {{schema}}."fold_text"(text) to "freehold_tenant";

revoke all on function {{schema}}."give_preferences"() from public;

revoke all on function {{schema}}."guard_assignment"() from public;

revoke all on function {{schema}}."guard_founder"() from public;

revoke all on function {{schema}}."guard_guest"() from public;

revoke all on function {{schema}}."guard_invited_role"() from public;

revoke all on function {{schema}}."guard_role"() from public;

revoke all on function {{schema}}."guard_role_of_member"() from public;

revoke all on function {{schema}}."guard_role_permission"() from public;

revoke all on function {{schema}}."hold_accounts"(uuid[]) from public;

grant execute on function {{schema}}."hold_accounts"(uuid[]) to "freehold_tenant";

revoke all on function {{schema}}."hold_roles"() from public;

revoke all on function {{schema}}."hold_structure"(uuid) from public;

grant execute on function {{schema}}."hold_structure"(uuid) to "freehold_tenant";

revoke all on function {{schema}}."is_over_mail_quota"(text, text, text, text) from public;

grant execute on function {{schema}}."is_over_mail_quota"(text, text, text, text) to "freehold_system";

revoke all on function {{schema}}."keep_invited_role"() from public;

revoke all on function {{schema}}."keep_member_words"(uuid, uuid) from public;

revoke all on function {{schema}}."keep_open_limit"() from public;

revoke all on function {{schema}}."keep_role"() from public;

revoke all on function {{schema}}."keep_words_of_account"() from public;

revoke all on function {{schema}}."keep_words_of_membership"() from public;

revoke all on function {{schema}}."lock_account"() from public;

revoke all on function {{schema}}."lock_structure"() from public;

revoke all on function {{schema}}."make_invitation_link"() from public;

revoke all on function {{schema}}."next_mail_at"(text) from public;

revoke all on function {{schema}}."permissions_of"(uuid, text, uuid) from public;

grant execute on function {{schema}}."permissions_of"(uuid, text, uuid) to "freehold_system";

revoke all on function {{schema}}."place_department"() from public;

revoke all on function {{schema}}."refusal_of_offer"(text, uuid) from public;

grant execute on function {{schema}}."refusal_of_offer"(text, uuid) to "freehold_tenant";

revoke all on function {{schema}}."require_offerable_role"(text, uuid) from public;

revoke all on function {{schema}}."require_own_permissions"(text[]) from public;

grant execute on function {{schema}}."require_own_permissions"(text[]) to "freehold_tenant";

revoke all on function {{schema}}."search_words"(text) from public;

grant execute on function {{schema}}."search_words"(text) to "freehold_tenant";

revoke all on function {{schema}}."spend_invitation_links"() from public;

revoke all on function {{schema}}."word_beginnings"(text, text) from public;

revoke all on function {{schema}}."words_of_member"(text, text, text, text, text) from public;

grant delete, insert, select, update on table {{schema}}."branches" to "freehold_tenant";

grant delete, insert, select, update on table {{schema}}."companies" to "freehold_tenant";

revoke all on table {{schema}}."custom_role_permissions" from "freehold_tenant";

grant delete, insert, select on table {{schema}}."custom_role_permissions" to "freehold_tenant";

grant delete, insert, select on table {{schema}}."department_people" to "freehold_tenant";

grant delete, insert, select, update on table {{schema}}."departments" to "freehold_tenant";

grant insert, select on table {{schema}}."invitation_links" to "freehold_tenant";

revoke all on table {{schema}}."invitations" from "freehold_system";

grant delete, select, update on table {{schema}}."invitations" to "freehold_system";

grant select on table {{schema}}."member_words" to "freehold_tenant";

grant delete, insert, select, update on table {{schema}}."preferences" to "freehold_system";

grant select on table {{schema}}."preferences" to "freehold_tenant";

revoke all on table {{schema}}."roles" from "freehold_tenant";

grant insert, select, update on table {{schema}}."roles" to "freehold_tenant";

grant delete, insert, select on table {{schema}}."seeded_accounts" to "freehold_system";

grant delete, insert, select, update on table {{schema}}."workspaces" to "freehold_tenant";

grant select on table {{schema}}."gate" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."gate_state" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."live_invitations" to "freehold_system";

grant select on table {{schema}}."live_inviters" to "freehold_system";

grant select, update on table {{schema}}."live_users" to "freehold_system";

grant select on table {{schema}}."own_invitations" to "freehold_tenant";

grant select on table {{schema}}."own_organizations" to "freehold_system", "freehold_tenant";

alter table {{schema}}."departments"
  add constraint "departments_branch_fkey" foreign key (organization_id, company_id, branch_id)
    references {{schema}}.branches(organization_id, company_id, id) on update cascade on delete cascade;

create index branches_name on {{schema}}.branches using btree (organization_id, name, id);

alter table {{schema}}."branches"
  add constraint "branches_company_fkey" foreign key (organization_id, company_id)
    references {{schema}}.companies(organization_id, id) on delete cascade;

create index companies_name on {{schema}}.companies using btree (organization_id, name, id);

alter table {{schema}}."department_people"
  add constraint "department_people_department_fkey" foreign key (organization_id, department_id)
    references {{schema}}.departments(organization_id, id) on delete cascade;

alter table {{schema}}."departments"
  add constraint "departments_parent_fkey" foreign key (organization_id, branch_id, company_id, parent_id)
    references {{schema}}.departments(organization_id, branch_id, company_id, id) on update cascade
    on delete cascade;

create index departments_name on {{schema}}.departments using btree (organization_id, name, id);

create index workspaces_name on {{schema}}.workspaces using btree (organization_id, name, id);

drop function {{schema}}."own_role_permits"();

revoke all ("credential_id") on table {{schema}}."passkeys" from "freehold_tenant";

grant select ("credential_id") on table {{schema}}."passkeys" to "freehold_tenant";

grant update ("custom") on table {{schema}}."preferences" to "freehold_tenant";

grant update ("date_format") on table {{schema}}."preferences" to "freehold_tenant";

grant update ("editor_font_size") on table {{schema}}."preferences" to "freehold_tenant";

grant update ("editor_tab_size") on table {{schema}}."preferences" to "freehold_tenant";

grant update ("editor_word_wrap") on table {{schema}}."preferences" to "freehold_tenant";

grant update ("language") on table {{schema}}."preferences" to "freehold_tenant";

grant update ("terminal_font_size") on table {{schema}}."preferences" to "freehold_tenant";

grant update ("theme") on table {{schema}}."preferences" to "freehold_tenant";

grant update ("time_format") on table {{schema}}."preferences" to "freehold_tenant";

grant update ("time_zone") on table {{schema}}."preferences" to "freehold_tenant";

revoke all ("guest") on table {{schema}}."users" from "freehold_tenant";

grant select ("guest") on table {{schema}}."users" to "freehold_tenant";

-- The latest email of an invitation was created when it was, or when it was renewed, seven days before it expires.
alter table invitations disable trigger user; -- no version changes: the links of emails name one
update invitations set mail_at = expires_at - interval '7 days';
alter table invitations enable trigger user;

-- The emails that count for the next hour's.
update one_time_tokens set mail_at = created_at where sender like 'organization %' and created_at > now() - interval '1 hour';

-- Each account has its preferences, as the trigger `give_preferences` gives them to a new one.
insert into preferences (user_id) select id from users where erased_at is null on conflict do nothing;
