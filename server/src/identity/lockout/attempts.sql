-- Guesses are counted before they are verified: by account or unknown name, by known device, and by client address. So
-- concurrent guesses, on any number of nodes, never exceed what the counter has left.
create table throttles (
  key           text not null primary key,
  failures      integer not null default 0,
  counted_since timestamptz,                -- the time of the first failure
  pending       integer not null default 0, -- guesses being verified
  pending_until timestamptz,                -- after this time their process has crashed, and they count as failures
  locked_until  timestamptz,
  -- To the hour: an update within it changes nothing that is indexed, so each sign-in rewrites its counters in their page (HOT).
  updated_at    timestamptz not null default date_trunc('hour', now())
) with (fillfactor = 70);
create index throttles_updated_at on throttles (updated_at);
create index throttles_locked on throttles (locked_until) where locked_until is not null; -- those that operators look for

alter table throttles enable row level security;
grant select, insert, update, delete on throttles to freehold_system;
create policy system on throttles to freehold_system using (true);

-- The current state of the counter, locked until the transaction ends.
create function open_throttle(wanted text) returns throttles language plpgsql set search_path = {{schema}}, pg_temp as $$
declare
  t throttles;
  moment timestamptz;
begin
  loop
    select * into t from throttles where key = wanted for update;
    exit when found;
    insert into throttles (key) values (wanted) on conflict do nothing;
  end loop;
  moment := clock_timestamp();
  if t.pending_until <= moment then
    t.failures := t.failures + t.pending;
    t.pending := 0;
  end if;
  -- An address has an hour for its failures, a person has them in a row.
  if t.locked_until <= moment or (wanted like 'address %' and t.locked_until is null and t.counted_since <= moment - interval '1 hour') then
    t.failures := 0;
    t.counted_since := null;
    t.locked_until := null;
  end if;
  return t;
end $$;
revoke execute on function open_throttle(text) from public;
grant execute on function open_throttle(text) to freehold_system;

create function keep_throttle(t throttles) returns void language sql set search_path = {{schema}}, pg_temp as $$
  update throttles set failures = t.failures, pending = t.pending, pending_until = t.pending_until, locked_until = t.locked_until,
    counted_since = case when t.failures > 0 then coalesce(t.counted_since, clock_timestamp()) end, updated_at = date_trunc('hour', clock_timestamp())
  where key = t.key $$;
revoke execute on function keep_throttle(throttles) from public;
grant execute on function keep_throttle(throttles) to freehold_system;

-- Unknown names are locked by the same statements; whether an email goes out is decided at the time of sending.
create function lock_throttle(t throttles, seconds integer, person uuid) returns void language plpgsql set search_path = {{schema}}, pg_temp as $$
declare
  counted constant jsonb := jsonb_build_object('counter', split_part(t.key, ' ', 1));
  token_id uuid;
begin
  t.locked_until := clock_timestamp() + make_interval(secs => seconds);
  perform keep_throttle(t);
  if t.key like 'address %' then
    perform record_event('address-blocked', null, null, jsonb_build_object('until', t.locked_until));
    return;
  end if;
  -- Whoever guesses codes knows the password, and a link in a mail would give the mailbox more guesses: only time helps.
  if t.key like 'mfa %' then
    perform record_event('second-factor-locked', person, null, jsonb_build_object('until', t.locked_until), true);
    return;
  end if;
  perform record_event('sign-in-locked', person, null, counted || jsonb_build_object('until', t.locked_until));
  insert into one_time_tokens (purpose, user_id, details, expires_at) values ('unlock', person, counted, t.locked_until) returning id into token_id;
  perform enqueue_job('mail', jsonb_build_object('token_id', token_id));
end $$;
revoke execute on function lock_throttle(throttles, integer, uuid) from public;
grant execute on function lock_throttle(throttles, integer, uuid) to freehold_system;

-- Takes one guess from one counter: `go`, `wait` while the guesses being verified could use it up, or `locked`.
create function take_guess(wanted text, most integer, seconds integer, person uuid, out verdict text, out retry_seconds integer)
  language plpgsql set search_path = {{schema}}, pg_temp as $$
declare
  t throttles := open_throttle(wanted);
begin
  retry_seconds := ceil(extract(epoch from coalesce(t.locked_until - clock_timestamp(), make_interval(secs => seconds))));
  if t.locked_until is null and t.failures + t.pending < most then
    t.pending := t.pending + 1;
    t.pending_until := clock_timestamp() + interval '15 seconds';
    perform keep_throttle(t);
    verdict := 'go';
  elsif t.locked_until is null and t.pending > 0 then
    verdict := 'wait';
  else
    -- Its last guesses died with their process.
    if t.locked_until is null then perform lock_throttle(t, seconds, person); end if;
    verdict := 'locked';
  end if;
end $$;
revoke execute on function take_guess(text, integer, integer, uuid) from public;
grant execute on function take_guess(text, integer, integer, uuid) to freehold_system;

-- Takes one guess from the address and then one from the counter, always in this order, to prevent deadlocks. `blocked`
-- means the address; a known device has none (null). A `locked` guess was taken only from the address.
create function reserve_guess(counter text, most integer, seconds integer, person uuid, address text, most_of_address integer,
  out verdict text, out retry_seconds integer) language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  if address is not null then
    select * into verdict, retry_seconds from take_guess(address, most_of_address, 3600, null);
    if verdict = 'locked' then verdict := 'blocked'; end if;
    if verdict <> 'go' then return; end if;
  end if;
  select * into verdict, retry_seconds from take_guess(counter, most, seconds, person);
  if verdict = 'wait' and address is not null then
    update throttles set pending = pending - 1 where key = address;
  end if;
  -- Nothing that a crash of PostgreSQL may not forget: the row is held only for as long as the statement takes.
  if verdict = 'go' then perform set_config('synchronous_commit', 'off', true); end if;
end $$;
revoke execute on function reserve_guess(text, integer, integer, uuid, text, integer) from public;
grant execute on function reserve_guess(text, integer, integer, uuid, text, integer) to freehold_system;

-- Settles one guess: right, wrong, or (null) not verified after all.
create function settle_throttle(wanted text, most integer, seconds integer, person uuid, is_right boolean) returns void
  language plpgsql set search_path = {{schema}}, pg_temp as $$
declare
  t throttles := open_throttle(wanted);
begin
  t.pending := greatest(t.pending - 1, 0);
  if is_right then
    t.failures := 0;
    t.locked_until := null;
  elsif not is_right then
    t.failures := t.failures + 1;
    if t.failures >= most and t.locked_until is null then
      perform lock_throttle(t, seconds, person);
      return;
    end if;
  end if;
  perform keep_throttle(t);
end $$;
revoke execute on function settle_throttle(text, integer, integer, uuid, boolean) from public;
grant execute on function settle_throttle(text, integer, integer, uuid, boolean) to freehold_system;

-- Settles both counters, in the order of reserve_guess. A right password does not reset the failures of its address.
create function settle_guess(counter text, most integer, seconds integer, person uuid, address text, most_of_address integer, is_right boolean)
  returns void language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  if address is not null then
    perform settle_throttle(address, most_of_address, 3600, null, nullif(is_right, true));
  end if;
  if counter is not null then
    perform settle_throttle(counter, most, seconds, person, is_right);
  end if;
end $$;
revoke execute on function settle_guess(text, integer, integer, uuid, text, integer, boolean) from public;
grant execute on function settle_guess(text, integer, integer, uuid, text, integer, boolean) to freehold_system;
