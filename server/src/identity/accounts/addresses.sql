-- An address that was verified stays its account's while the change of it can be undone. Asked once the row stands: whoever gives
-- up the address, or takes it, at the same time is waited for at the unique key, and a trigger's query sees what they committed.
create function refuse_held_address() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  if exists (select from one_time_tokens where email = new.email and purpose = 'undo' and details #>> '{former,email}' = new.email
      and details #>> '{former,email_verified_at}' is not null and user_id <> new.id and used_at is null and expires_at > now()) then
    raise exception 'the address may go back to another account' using errcode = '23514', constraint = 'users_email_held';
  end if;
  return null;
end $$;
revoke execute on function refuse_held_address() from public;
create trigger held_address_insert after insert on users for each row execute function refuse_held_address();
create trigger held_address_update after update of email on users for each row
  when (old.email is distinct from new.email) execute function refuse_held_address();
