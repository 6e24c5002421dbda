-- Ends sign-ins that wait for a second factor when the password changes, because they verified the former one.
create function end_waiting_sign_ins() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  update one_time_tokens set used_at = now() where user_id = new.id and purpose = 'mfa' and used_at is null;
  return null;
end $$;
revoke execute on function end_waiting_sign_ins() from public;
create trigger end_waiting_sign_ins after update of password_hash on users for each row
  when (old.password_hash is distinct from new.password_hash) execute function end_waiting_sign_ins();
