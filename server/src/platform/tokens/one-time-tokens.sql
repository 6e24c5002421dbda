-- One-time tokens: a link in an email, the step before the second factor, a challenge. The token itself is derived from
-- the id with a key (platform/tokens/one-time-tokens.ts), so the table contains no usable tokens.
create table one_time_tokens (
  id         uuid not null default new_id() primary key,
  purpose    text not null,
  user_id    uuid references users on delete cascade, -- null until the address has been looked up
  email      text,                                    -- the recipient, in lower case
  details    jsonb not null default '{}',
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at    timestamptz,
  sender     text,                                    -- of an email: the sender whose quota it counts for
  client     text,                                    -- beside a user who sends it: the client, whose quota it counts for, too
  mail_at    timestamptz                              -- of an organization's email: when it is sent, or null if it is not sent
);
create index one_time_tokens_email on one_time_tokens (email, purpose, id) where email is not null;
create index one_time_tokens_user_id on one_time_tokens (user_id, purpose);
create index one_time_tokens_expires_at on one_time_tokens (expires_at);
create index one_time_tokens_mail_at on one_time_tokens (sender, mail_at) where mail_at is not null;

-- The client's address; an IPv6 /64 counts as one address.
create function mail_client() returns text language plpgsql stable set search_path = {{schema}}, pg_temp as $$
declare
  ip constant text := coalesce(nullif(current_setting('app.context', true), '')::jsonb ->> 'ip', '');
begin
  return 'client ' || case when ip ~ '^[0-9a-f:.]+$' and ip ~ ':' then host(network(set_masklen(ip::inet, 64))) else ip end;
end $$;
revoke execute on function mail_client() from public;
grant execute on function mail_client() to freehold_system;
-- Who has a mail sent: the user of the session, else the client.
create function mail_sender() returns text language sql stable set search_path = {{schema}}, pg_temp as $$
  select case when nullif(current_setting('app.session_id', true), '') is not null
    then 'user ' || (nullif(current_setting('app.context', true), '')::jsonb ->> 'user_id') else mail_client() end $$;
revoke execute on function mail_sender() from public;
grant execute on function mail_sender() to freehold_system;

-- Emails of a purpose to an address are counted one at a time, so that each count sees those before it.
create function lock_mails(purpose text, addressee text) returns void language sql volatile set search_path = {{schema}}, pg_temp as $$
  select pg_advisory_xact_lock(lock_key('mail', purpose || ' ' || addressee)) $$;
revoke execute on function lock_mails(text, text) from public;
grant execute on function lock_mails(text, text) to freehold_system;

-- The quotas of known senders, checked before earlier links are replaced: emails of a purpose to an address within an hour, five by
-- the sender, five by users of the client, and twenty by all. For requests of unknown clients, the job that sends the emails checks a
-- quota (directory/notifications).
create function is_over_mail_quota(mail_purpose text, addressee text, mail_sender text, mail_client text) returns boolean language sql volatile
  set search_path = {{schema}}, pg_temp as $$
  select count(*) filter (where sender = mail_sender) >= 5 or count(*) filter (where client = mail_client) >= 5 or count(*) >= 20
  from one_time_tokens where email = addressee and purpose = mail_purpose and created_at > now() - interval '1 hour'
    and (sender not like 'client %' or details ? 'mailed_at') $$;
revoke execute on function is_over_mail_quota(text, text, text, text) from public;
grant execute on function is_over_mail_quota(text, text, text, text) to freehold_system;
create function keep_mail_quota() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  new.client := case when new.sender like 'user %' then nullif(mail_client(), 'client ') end;
  -- The emails of an organization are created one at a time already, under its own key, up to a thousand in one transaction: they
  -- take no key of each address, and the job that sends them counts those of all senders again.
  if new.sender not like 'organization %' then
    perform lock_mails(new.purpose, new.email);
  end if;
  if is_over_mail_quota(new.purpose, new.email, new.sender, new.client) then
    raise exception 'too many mails of this kind went to the address within an hour' using errcode = '23514', constraint = 'one_time_tokens_mail_quota';
  end if;
  return new;
end $$;
revoke execute on function keep_mail_quota() from public;
create trigger mail_quota before insert on one_time_tokens for each row
  when (new.sender not like 'client %' and new.email is not null) execute function keep_mail_quota();

-- When an organization's next email is sent: at most 200 an hour, the others wait in the order in which they were created. Its mails
-- are scheduled one at a time, so that each sees those before it: the caller holds
-- the sender's key in the space `mail`. Reads 200 entries of the index; the planner, which does not know how many the sender has just
-- added, would sort them all each time.
create function next_mail_at(mail_sender text) returns timestamptz language sql volatile
  set search_path = {{schema}}, pg_temp set enable_sort = off set enable_bitmapscan = off as $$
  select greatest(now(), (select mail_at from one_time_tokens where sender = mail_sender and mail_at is not null
    order by mail_at desc offset 199 limit 1) + interval '1 hour') $$;
revoke execute on function next_mail_at(text) from public;

alter table one_time_tokens enable row level security;
grant select, insert, update, delete on one_time_tokens to freehold_system;
create policy system on one_time_tokens to freehold_system using (true);
