-- A member whom an administrator restores gets an email. The user's own event holds no IP address of the administrator.
create function tell_restored_member() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
  event_id constant uuid := new_id();
begin
  insert into security_events (id, type, user_id, actor_id, request_id, details)
  values (event_id, 'membership-restored', new.user_id, acting_user(), context ->> 'request_id', jsonb_build_object('organization_id', new.organization_id));
  perform enqueue_job('mail', jsonb_build_object('event_id', event_id));
  return null;
end $$;
revoke execute on function tell_restored_member() from public;
create trigger restored after update on memberships for each row
  when (old.removed_at is not null and new.deleted_at is null and current_setting('app.permission', true) = 'members:write')
  execute function tell_restored_member();
