-- many invitations

set local check_function_bodies = off;

drop policy "system_insert" on {{schema}}."invitations";

drop trigger "mail_insert" on {{schema}}."invitations";

drop trigger "mail_update" on {{schema}}."invitations";

drop function {{schema}}."enqueue_job"(text, jsonb);

alter table {{schema}}."invitations"
  add column "mail_at" timestamp with time zone default now();

alter table {{schema}}."one_time_tokens"
  add column "mail_at" timestamp with time zone;

alter table {{schema}}."invitations"
  alter column "expires_at" set default (now() + '7 days'::interval);

create or replace function {{schema}}.enqueue_job (
  queue_name text,
  data       jsonb,
  start_at   timestamp with time zone default now()
)
  returns uuid
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  job_id uuid;
begin
  if exists (select from jsonb_each_text(data) where value !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$') then
    raise exception 'a job of the queue % is given something that is no id', queue_name using errcode = '22023';
  end if;
  insert into {{jobs}}.job (name, data, start_after, retry_limit, retry_delay, retry_backoff, retry_delay_max, expire_seconds, deletion_seconds, keep_until, dead_letter, policy)
  select name, enqueue_job.data, start_at, retry_limit, retry_delay, retry_backoff, retry_delay_max, expire_seconds, deletion_seconds, greatest(now(), start_at) + make_interval(secs => retention_seconds), dead_letter, policy
  from {{jobs}}.queue where name = queue_name
  returning id into strict job_id;
  return job_id;
end $function$;

create or replace function {{schema}}.is_over_mail_quota (
  mail_purpose text,
  addressee    text,
  mail_sender  text,
  mail_client  text
)
  returns boolean
  language sql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select count(*) filter (where sender = mail_sender) >= 5 or count(*) filter (where client = mail_client) >= 5 or count(*) >= 20
  from one_time_tokens where email = addressee and purpose = mail_purpose and created_at > now() - interval '1 hour'
    and (sender not like 'client %' or details ? 'mailed_at') $function$;

create or replace function {{schema}}.keep_mail_quota()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
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
end $function$;

create or replace function {{schema}}.keep_open_limit()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if exists (select from (select distinct organization_id from written where accepted_at is null and revoked_at is null) o
    where (select count(*) from invitations i where i.organization_id = o.organization_id and i.accepted_at is null and i.revoked_at is null
      and i.expires_at > now()) > 1000) then
    raise exception 'an organization has at most 1000 open invitations' using errcode = '23514', constraint = 'invitations_open_limit';
  end if;
  return null;
end $function$;

create or replace function {{schema}}.mail_invitation()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  sender_name constant text := 'organization ' || new.organization_id;
  has_ended constant boolean := new.accepted_at is not null or new.revoked_at is not null;
  token_id uuid;
begin
  if not has_ended and new.mail_at is not null then
    new.invited_by := coalesce(acting_user(), new.invited_by);
    perform pg_advisory_xact_lock(lock_key('mail', sender_name));
    perform pg_advisory_xact_lock(lock_key('mail', 'inviter ' || new.invited_by));
    if is_over_mail_quota('invitation', new.email, sender_name, null) or (select count(*) from one_time_tokens where email = new.email
        and purpose = 'invitation' and details ->> 'invited_by' = new.invited_by::text and created_at > now() - interval '1 hour') >= 5 then
      if exists (select from gate where organization_id = new.organization_id and writes) then
        return null;
      end if;
      -- Another organization's row, which its policy refuses, whatever the quota is.
      new.mail_at := null;
      return new;
    end if;
  end if;
  if tg_op = 'UPDATE' then
    update one_time_tokens set used_at = now(), mail_at = case when mail_at <= now() then mail_at end
    where email = new.email and purpose = 'invitation' and used_at is null and details ->> 'invitation_id' = new.id::text;
    if has_ended then
      new.mail_at := case when old.mail_at <= now() then old.mail_at end;
    end if;
  end if;
  if has_ended or new.mail_at is null then
    return new;
  end if;
  new.mail_at := case when tg_op = 'UPDATE' and old.mail_at > now() then old.mail_at else next_mail_at(sender_name) end;
  new.expires_at := new.mail_at + interval '7 days';
  insert into one_time_tokens (purpose, email, details, expires_at, sender, mail_at)
  values ('invitation', new.email, jsonb_build_object('organization_id', new.organization_id, 'invitation_id', new.id, 'version', new.version,
    'invited_by', new.invited_by), new.expires_at, sender_name, new.mail_at)
  returning id into token_id;
  perform enqueue_job('mail', jsonb_build_object('token_id', token_id), new.mail_at);
  return new;
end $function$;

create or replace function {{schema}}.next_mail_at (
  mail_sender text
)
  returns timestamp with time zone
  language sql
  set search_path to {{schema}}, 'pg_temp'
  set enable_sort to 'off'
  set enable_bitmapscan to 'off'
  AS $function$
  select greatest(now(), (select mail_at from one_time_tokens where sender = mail_sender and mail_at is not null
    order by mail_at desc offset 199 limit 1) + interval '1 hour') $function$;

create trigger open_limit_insert
  after insert on {{schema}}.invitations referencing NEW table as written
  for each STATEMENT
  execute function {{schema}}.keep_open_limit();

create trigger open_limit_update
  after update on {{schema}}.invitations referencing NEW table as written
  for each STATEMENT
  execute function {{schema}}.keep_open_limit();

create trigger with_mail
  before insert or update of mail_at, accepted_at, revoked_at on {{schema}}.invitations
  for each row
  execute function {{schema}}.mail_invitation();

revoke all on function {{schema}}."enqueue_job"(text, jsonb, timestamp with time zone) from public;

grant execute
  on function {{schema}}."enqueue_job"(text, jsonb, timestamp with time zone)
  to "freehold_system";

revoke all on function {{schema}}."is_over_mail_quota"(text, text, text, text) from public;

grant execute on function {{schema}}."is_over_mail_quota"(text, text, text, text) to "freehold_system";

revoke all on function {{schema}}."keep_open_limit"() from public;

revoke all on function {{schema}}."next_mail_at"(text) from public;

revoke all on table {{schema}}."invitations" from "freehold_system";

grant delete, select, update on table {{schema}}."invitations" to "freehold_system";

-- The latest email of an invitation was created when it was, or when it was renewed, seven days before it expires.
alter table invitations disable trigger user; -- no version changes: the links of emails name one
update invitations set mail_at = expires_at - interval '7 days';
alter table invitations enable trigger user;

-- The emails that count for the next hour's.
update one_time_tokens set mail_at = created_at where sender like 'organization %' and created_at > now() - interval '1 hour';
