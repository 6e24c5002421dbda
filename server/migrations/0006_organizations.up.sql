-- organizations

set local check_function_bodies = off;

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
    select m.organization_id, m.role, case
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

create index member_words_order on {{schema}}.member_words
  using btree (organization_id, kind, status, role, word, user_id);

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

revoke all on function {{schema}}."fold_text"(text) from public;

grant execute on function {{schema}}."fold_text"(text) to "freehold_tenant";

revoke all on function {{schema}}."hold_accounts"(uuid[]) from public;

grant execute on function {{schema}}."hold_accounts"(uuid[]) to "freehold_tenant";

revoke all on function {{schema}}."keep_member_words"(uuid, uuid) from public;

revoke all on function {{schema}}."keep_words_of_account"() from public;

revoke all on function {{schema}}."keep_words_of_membership"() from public;

revoke all on function {{schema}}."lock_account"() from public;

revoke all on function {{schema}}."search_words"(text) from public;

grant execute on function {{schema}}."search_words"(text) to "freehold_tenant";

revoke all on function {{schema}}."word_beginnings"(text, text) from public;

revoke all on function {{schema}}."words_of_member"(text, text, text, text, text) from public;

grant select on table {{schema}}."member_words" to "freehold_tenant";
