-- Emails the owners of an organization what was done to it, with a security event for each of them. The event names who did it, but
-- not from where. Those in `but` are left out; `also` is told, too, although no owner any more. With `hourly`, an owner gets at most
-- so many emails an hour about such events in the organization.
create function tell_owners(organization uuid, type text, details jsonb, but uuid[] default '{}', also uuid default null, hourly integer default null) returns void
  language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
  told constant jsonb := jsonb_strip_nulls(details || jsonb_build_object('organization_id', organization));
  event_id uuid;
  owner_id uuid;
begin
  for owner_id in select m.user_id from memberships m join live_users u on u.id = m.user_id
    where m.organization_id = organization and m.user_id <> all (array_remove(but, null))
      and (m.role = 'owner' and m.disabled_at is null and m.deleted_at is null or m.user_id = also)
    order by m.user_id loop
    event_id := new_id();
    insert into security_events (id, type, user_id, actor_id, request_id, details)
    values (event_id, tell_owners.type, owner_id, acting_user(), context ->> 'request_id', told);
    if hourly is null or (select count(*) from security_events e where e.user_id = owner_id and e.type = tell_owners.type
        and e.details ->> 'organization_id' = organization::text and e.created_at > now() - interval '1 hour') <= hourly then
      perform enqueue_job('mail', jsonb_build_object('event_id', event_id));
    end if;
  end loop;
end $$;
revoke execute on function tell_owners(uuid, text, jsonb, uuid[], uuid, integer) from public;

-- The other owners get an email when someone becomes an owner or stops being one, except by leaving or by lowering the own
-- role. Without a permission it is the system login: a request with an address joins someone, which is told; an import or the
-- end or restoration of an account is not. Ten emails an hour are enough to know who plays with the roles.
create function tell_owners_of_owner() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  actor constant uuid := acting_user();
  was_owner constant boolean := tg_op = 'UPDATE' and old.role = 'owner' and old.disabled_at is null and old.deleted_at is null;
  is_owner constant boolean := new.role = 'owner' and new.disabled_at is null and new.deleted_at is null;
  member constant jsonb := jsonb_build_object('member_id', new.user_id);
begin
  if current_setting('app.permission', true) = 'organization:transfer' then
    if is_owner then
      perform tell_owners(new.organization_id, 'organization-transferred', member, array[actor], hourly => 10);
    end if;
  elsif was_owner and not is_owner and new.user_id is distinct from actor then
    perform tell_owners(new.organization_id,
      case when new.deleted_at is not null then 'owner-removed' when new.disabled_at is not null then 'owner-disabled' else 'owner-demoted' end,
      member, array[actor], new.user_id, 10);
  elsif is_owner and not was_owner then
    perform tell_owners(new.organization_id, 'owner-added', member, array[actor, new.user_id], hourly => 10);
  end if;
  return null;
end $$;
revoke execute on function tell_owners_of_owner() from public;
create trigger owner_added after insert on memberships for each row
  when (new.role = 'owner' and nullif(current_setting('app.context', true), '')::jsonb ->> 'ip' <> '') execute function tell_owners_of_owner();
create trigger owner_changed after update on memberships for each row
  when ((old.role = 'owner' or new.role = 'owner') and (coalesce(current_setting('app.permission', true), '') <> ''
    or old.created_at <> new.created_at and nullif(current_setting('app.context', true), '')::jsonb ->> 'ip' <> ''))
  execute function tell_owners_of_owner();

-- And when their organization is deleted, or requires no second factor any more.
create function tell_owners_of_organization() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
begin
  perform tell_owners(new.id, case when old.deleted_at is null and new.deleted_at is not null then 'organization-deleted' else 'second-factor-optional' end,
    '{}', array[acting_user()], hourly => 10);
  return null;
end $$;
revoke execute on function tell_owners_of_organization() from public;
create trigger told after update on organizations for each row
  when (old.deleted_at is null and new.deleted_at is not null or old.second_factor_required and not new.second_factor_required)
  execute function tell_owners_of_organization();
