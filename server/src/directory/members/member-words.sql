-- The sort keys and search words of the members, so that every page of a list of members is read from one index, however
-- many members there are. Each membership that a list can show has one row of each of the kinds `member` (no word: sorted
-- by id), `name` and `email`, and a row of the kind `word` for each word that a search can find. Only the triggers below
-- write this table. It holds personal data, so the audit log records nothing of it, and a membership that can no longer
-- be listed has no rows.
create table member_words (
  organization_id uuid not null, -- no foreign keys: the triggers keep the rows
  user_id         uuid not null,
  kind            text not null check (kind in ('member', 'name', 'email', 'word')),
  word            text collate "C" not null,
  role            text not null, -- of the membership, or `custom`
  status          text not null check (status in ('active', 'disabled', 'account-deleted', 'removed')),
  primary key (organization_id, user_id, kind, word)
);
create index member_words_order on member_words (organization_id, kind, status, role, word, user_id);
alter table member_words enable row level security;
alter table member_words force row level security;
create policy tenant_read on member_words for select to freehold_tenant using (organization_id = (select organization_id from gate where reads));
create policy maintenance on member_words to freehold_owner using (current_setting('app.maintenance', true) = 'on');
create policy upkeep on member_words to freehold_owner using (pg_trigger_depth() > 0);
grant select on member_words to freehold_tenant;

-- A text as searches and sort orders compare it: in lower case, without accents and invisible characters. A word that is
-- searched for and a word that is found are both made by this function.
create function fold_text(given text) returns text language sql immutable parallel safe set search_path = {{schema}}, pg_temp as $$
  select replace(replace(replace(translate(regexp_replace(lower(normalize(given, nfkd)),
    '[\u00ad\u0300-\u036f\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff]', '', 'g'), 'øłđħıς', 'oldhiσ'), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe') $$;
revoke execute on function fold_text(text) from public;
grant execute on function fold_text(text) to freehold_tenant; -- which search_words() calls

-- The words of a search. Words are compared by their first 64 characters.
create function search_words(given text) returns text[] language sql immutable parallel safe set search_path = {{schema}}, pg_temp as $$
  select coalesce(array_agg(word order by length(word) desc, word collate "C"), '{}')
  from (select distinct left(part, 64) as word from regexp_split_to_table(fold_text(given), '\s+') as part where part <> '') as words $$;
revoke execute on function search_words(text) from public;
grant execute on function search_words(text) to freehold_tenant;

-- What a tsvector of words must have for a search of operators: a word that begins with each word of the search.
create function words_wanted(search text) returns tsquery language sql immutable parallel safe set search_path = {{schema}}, pg_temp as $$
  select string_agg('''' || replace(replace(word, '\', '\\'), '''', '''''') || ''':*', ' & ')::tsquery from unnest(search_words(search)) as word $$;
revoke execute on function words_wanted(text) from public;
grant execute on function fold_text(text), search_words(text), words_wanted(text) to freehold_system;

-- A text from each place where a word begins: `anna-lena smith` is `anna-lena`, `lena` and `smith`. So a search finds the
-- words, and also several of them as they are written. `ending` follows each.
create function word_beginnings(given text, ending text default '') returns setof text language plpgsql immutable strict parallel safe set search_path = {{schema}}, pg_temp as $$
declare
  chunk text;
begin
  foreach chunk in array regexp_split_to_array(fold_text(given), '\s+') loop
    while chunk <> '' loop
      return next left(chunk || ending, 64);
      chunk := substring(chunk from '^[^-._+,;:/()&@"''’]*[-._+,;:/()&@"''’]+(.*)$');
    end loop;
  end loop;
end $$;
revoke execute on function word_beginnings(text, text) from public;

-- The rows of one member. At most 50 words, the address first, so that a long name does not hide it or fill the table.
create function words_of_member(email text, username text, given_name text, family_name text, full_name text)
  returns table (kind text, word text) language sql immutable parallel safe set search_path = {{schema}}, pg_temp as $$
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
    where found.word <> '' group by found.word collate "C", found.word order by min(found.place), found.word collate "C" limit 50) $$;
revoke execute on function words_of_member(text, text, text, text, text) from public;

-- Makes the rows of one membership, or of all memberships of a user, what they must be now. The account is locked, so
-- none of its names changes meanwhile, and none of its memberships begins or ends.
create function keep_member_words(person uuid, organization uuid default null) returns void language plpgsql security definer
  set search_path = {{schema}}, pg_temp
  set enable_seqscan = off as $$ -- a plan that was made while the tables were empty would scan them for each membership
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
end $$;
revoke execute on function keep_member_words(uuid, uuid) from public;

-- Locks the account of a membership that begins, ends or changes, before lock_revocation() takes the key of its user.
create function lock_account() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
begin
  perform from users where id = new.user_id for no key update;
  return new;
end $$;
revoke execute on function lock_account() from public;
create trigger account_insert before insert on memberships for each row execute function lock_account();
create trigger account_update before update on memberships for each row
  when ((old.role, old.role_id, old.disabled_at, old.deleted_at) is distinct from (new.role, new.role_id, new.disabled_at, new.deleted_at)) execute function lock_account();

create function keep_words_of_membership() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
begin
  if tg_op = 'DELETE' then
    delete from member_words where organization_id = old.organization_id and user_id = old.user_id;
  else
    perform keep_member_words(new.user_id, new.organization_id);
  end if;
  return null;
end $$;
revoke execute on function keep_words_of_membership() from public;
create trigger words_insert after insert or delete on memberships for each row execute function keep_words_of_membership();
create trigger words_update after update on memberships for each row
  when ((old.role, old.role_id, old.disabled_at, old.deleted_at, old.removed_at) is distinct from (new.role, new.role_id, new.disabled_at, new.deleted_at, new.removed_at))
  execute function keep_words_of_membership();

create function keep_words_of_account() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
begin
  perform keep_member_words(new.id);
  return null;
end $$;
revoke execute on function keep_words_of_account() from public;
create trigger words after update on users for each row
  when ((old.email, old.username, old.given_name, old.family_name, old.full_name, old.deleted_at, old.erased_at)
    is distinct from (new.email, new.username, new.given_name, new.family_name, new.full_name, new.deleted_at, new.erased_at))
  execute function keep_words_of_account();

-- Locks the accounts of some members in order of their ids, for a statement that takes the keys of their users before it
-- changes their memberships. Returns them, for hold_users().
create function hold_accounts(ids uuid[]) returns uuid[] language plpgsql volatile security definer set search_path = {{schema}}, pg_temp as $$
begin
  perform from users u where u.id = any (ids)
    and exists (select from memberships m where m.organization_id = nullif(current_setting('app.organization_id', true), '')::uuid and m.user_id = u.id)
  order by u.id for no key update;
  return ids;
end $$;
revoke execute on function hold_accounts(uuid[]) from public;
grant execute on function hold_accounts(uuid[]) to freehold_tenant;
