-- A member whom an administrator restores gets an email: at most five in an hour from one organization and from one administrator.
-- lock_revocation() holds the user's key, so each restoration sees those before it. The event holds no IP address of the administrator.
create function tell_restored_member() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
  event_id constant uuid := new_id();
  by_organization bigint;
  by_actor bigint;
begin
  select count(*) filter (where details ->> 'organization_id' = new.organization_id::text), count(*) filter (where actor_id = acting_user()) into by_organization, by_actor
  from security_events where user_id = new.user_id and type = 'membership-restored' and created_at > now() - interval '1 hour';
  insert into security_events (id, type, user_id, actor_id, request_id, details)
  values (event_id, 'membership-restored', new.user_id, acting_user(), context ->> 'request_id', jsonb_build_object('organization_id', new.organization_id));
  if by_organization < 5 and by_actor < 5 then
    perform enqueue_job('mail', jsonb_build_object('event_id', event_id));
  end if;
  return null;
end $$;
revoke execute on function tell_restored_member() from public;
create trigger restored after update on memberships for each row
  when (old.removed_at is not null and new.deleted_at is null and current_setting('app.permission', true) = 'members:write')
  execute function tell_restored_member();
