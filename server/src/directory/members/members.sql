-- The user whom an administrator adds by address or id: an enabled account whose address is confirmed, or else anyone who
-- took another person's address would be let in instead of them. Tells nothing unless the gate is open for adding members.
create function find_confirmed_user(wanted_email text, wanted_id uuid) returns uuid language sql stable security definer set search_path = {{schema}}, pg_temp as $$
  select id from live_users where (email = wanted_email or id = wanted_id) and email_verified
    and exists (select from gate where permission = 'members:write') $$;
revoke execute on function find_confirmed_user(text, uuid) from public;
grant execute on function find_confirmed_user(text, uuid) to freehold_tenant;
