-- The words of an account by which operators find it: those by which an organization finds its members. The index is on the
-- function, so every login that changes a name or an address runs it.
create function account_words(email text, username text, given_name text, family_name text, full_name text) returns tsvector
  language sql immutable parallel safe security definer cost 1000 set search_path = {{schema}}, pg_temp as $$
  select array_to_tsvector(array(select word from words_of_member(email, username, given_name, family_name, full_name) where kind = 'word')) $$;
revoke execute on function account_words(text, text, text, text, text) from public;
grant execute on function account_words(text, text, text, text, text) to freehold_tenant, freehold_system;
create index users_words on users using gin (account_words(email, username, given_name, family_name, full_name)) where erased_at is null;

-- Only version 0.5.0 calls it, which may still run while it is replaced: words_wanted() is the same. To be removed in 0.7.0.
create function account_search(given text) returns tsquery language sql immutable parallel safe security definer
  set search_path = {{schema}}, pg_temp as $$
  select string_agg('''' || replace(replace(word, '\', '\\'), '''', '''''') || ''':*', ' & ')::tsquery from unnest(search_words(given)) as word $$;
revoke execute on function account_search(text) from public;
grant execute on function account_search(text) to freehold_system;

-- The owners get an email when an operator invites someone to their organization: otherwise one operator alone could give a
-- second account of their own what support access needs two people for.
create function tell_owners_of_invitation() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
begin
  perform tell_owners(new.organization_id, 'invited-by-operator', jsonb_build_object('invitation_id', new.id));
  return null;
end $$;
revoke execute on function tell_owners_of_invitation() from public;
create trigger told after insert or update of role, role_id, invited_by on invitations for each row
  when (new.invited_by is null and new.revoked_at is null and current_setting('app.permission', true) like 'admin:%')
  execute function tell_owners_of_invitation();
