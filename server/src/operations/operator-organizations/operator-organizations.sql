-- The words of an organization that operators find it by: those of its name and its slug, and the parts of such words.
create function organization_words(name text, slug text) returns tsvector language sql immutable parallel safe set search_path = {{schema}}, pg_temp as $$
  select array_to_tsvector(array(select word_beginnings(name || ' ' || slug))) $$;
revoke execute on function organization_words(text, text) from public;
-- The index calls them with the rights of whoever writes an organization.
grant execute on function organization_words(text, text) to freehold_tenant, freehold_system;
grant execute on function word_beginnings(text, text) to freehold_tenant, freehold_system;
create index organizations_words on organizations using gin (organization_words(name, slug));

-- The orders and the rare states of the operators' list.
create index organizations_created_at on organizations (created_at, id);
create index organizations_suspended on organizations (created_at, id) where suspended_at is not null;
create index organizations_deleted on organizations (created_at, id) where deleted_at is not null;

-- The owners get an email when an operator suspends or reactivates their organization, with the operator's reason, but without
-- the operator's name and address.
create function tell_owners_of_suspension() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
begin
  perform tell_owners(new.id, case when new.suspended_at is null then 'organization-reactivated' else 'organization-suspended' end,
    jsonb_build_object('reason', new.suspended_reason));
  return null;
end $$;
revoke execute on function tell_owners_of_suspension() from public;
create trigger suspension_told after update on organizations for each row
  when ((old.suspended_at is null) <> (new.suspended_at is null)) execute function tell_owners_of_suspension();
