-- The words of an organization that operators find it by: those of its name and its slug, and the parts of such words.
create function organization_words(name text, slug text) returns tsvector language sql immutable parallel safe set search_path = {{schema}}, pg_temp as $$
  select array_to_tsvector(array(select word_beginnings(name || ' ' || slug))) $$;
revoke execute on function organization_words(text, text) from public;
-- The index calls them with the rights of whoever writes an organization.
grant execute on function organization_words(text, text) to freehold_tenant, freehold_system;
grant execute on function word_beginnings(text, text) to freehold_tenant, freehold_system;
grant execute on function fold_text(text), search_words(text) to freehold_system;
create index organizations_words on organizations using gin (organization_words(name, slug));
-- Organizations in which words begin with each of those of the search.
create function words_wanted(search text) returns tsquery language sql immutable parallel safe set search_path = {{schema}}, pg_temp as $$
  select string_agg('''' || replace(replace(word, '\', '\\'), '''', '''''') || ''':*', ' & ')::tsquery from unnest(search_words(search)) as word $$;
revoke execute on function words_wanted(text) from public;
grant execute on function words_wanted(text) to freehold_system;

-- The orders and the rare states of the operators' list.
create index organizations_created_at on organizations (created_at, id);
create index organizations_suspended on organizations (created_at, id) where suspended_at is not null;
create index organizations_deleted on organizations (created_at, id) where deleted_at is not null;

-- The owners get an email when an operator suspends or reactivates their organization, with the operator's reason, but without
-- the operator's name and address.
create function tell_owners() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
  is_suspended constant boolean := new.suspended_at is not null;
  event_id uuid;
  owner_id uuid;
begin
  for owner_id in select m.user_id from memberships m join users u on u.id = m.user_id and u.disabled_at is null and u.deleted_at is null
    where m.organization_id = new.id and m.role = 'owner' and m.disabled_at is null and m.deleted_at is null order by m.user_id loop
    event_id := new_id();
    insert into security_events (id, type, user_id, actor_id, request_id, details)
    values (event_id, case when is_suspended then 'organization-suspended' else 'organization-reactivated' end, owner_id, acting_user(), context ->> 'request_id',
      jsonb_strip_nulls(jsonb_build_object('organization_id', new.id, 'reason', new.suspended_reason)));
    perform enqueue_job('mail', jsonb_build_object('event_id', event_id));
  end loop;
  return null;
end $$;
revoke execute on function tell_owners() from public;
create trigger suspension_told after update on organizations for each row
  when ((old.suspended_at is null) <> (new.suspended_at is null)) execute function tell_owners();
