-- Takes 0006_many_invitations back.
-- loses: invitations.mail_at
-- loses: one_time_tokens.mail_at

set local check_function_bodies = off;

drop trigger "open_limit_insert" on {{schema}}."invitations";

drop trigger "open_limit_update" on {{schema}}."invitations";

drop trigger "with_mail" on {{schema}}."invitations";

drop function {{schema}}."enqueue_job"(text, jsonb, timestamp with time zone);

drop function {{schema}}."is_over_mail_quota"(text, text, text, text);

drop function {{schema}}."keep_open_limit"();

drop function {{schema}}."next_mail_at"(text);

alter table {{schema}}."invitations"
  alter column "expires_at" drop default;

alter table {{schema}}."invitations"
  drop column "mail_at";

alter table {{schema}}."one_time_tokens"
  drop column "mail_at";

create or replace function {{schema}}.enqueue_job (
  queue_name text,
  data       jsonb
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
  insert into {{jobs}}.job (name, data, retry_limit, retry_delay, retry_backoff, retry_delay_max, expire_seconds, deletion_seconds, keep_until, dead_letter, policy)
  select name, enqueue_job.data, retry_limit, retry_delay, retry_backoff, retry_delay_max, expire_seconds, deletion_seconds, now() + make_interval(secs => retention_seconds), dead_letter, policy
  from {{jobs}}.queue where name = queue_name
  returning id into strict job_id;
  return job_id;
end $function$;

create or replace function {{schema}}.keep_mail_quota()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  by_sender bigint;
  by_client bigint;
  by_all bigint;
begin
  new.client := case when new.sender like 'user %' then nullif(mail_client(), 'client ') end;
  perform lock_mails(new.purpose, new.email);
  select count(*) filter (where sender = new.sender), count(*) filter (where client = new.client), count(*) into by_sender, by_client, by_all
  from one_time_tokens where email = new.email and purpose = new.purpose and created_at > now() - interval '1 hour'
    and (sender not like 'client %' or details ? 'mailed_at');
  if by_sender >= 5 or by_client >= 5 or by_all >= 20 then
    raise exception 'too many mails of this kind went to the address within an hour' using errcode = '23514', constraint = 'one_time_tokens_mail_quota';
  end if;
  return new;
end $function$;

create or replace function {{schema}}.mail_invitation()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  token_id uuid;
begin
  update one_time_tokens set used_at = now()
  where email = new.email and purpose = 'invitation' and used_at is null and details ->> 'invitation_id' = new.id::text;
  if new.accepted_at is not null or new.revoked_at is not null then
    return null;
  end if;
  perform lock_mails('invitation', new.email);
  if (select count(*) from one_time_tokens where email = new.email and purpose = 'invitation' and details ->> 'invited_by' = new.invited_by::text
      and created_at > now() - interval '1 hour') >= 5 then
    raise exception 'one user had the address mailed five invitations within an hour' using errcode = '23514', constraint = 'invitations_mail_quota';
  end if;
  insert into one_time_tokens (purpose, email, details, expires_at, sender)
  values ('invitation', new.email, jsonb_build_object('organization_id', new.organization_id, 'invitation_id', new.id, 'version', new.version,
    'invited_by', new.invited_by), new.expires_at, 'organization ' || new.organization_id)
  returning id into token_id;
  perform enqueue_job('mail', jsonb_build_object('token_id', token_id));
  return null;
end $function$;

create trigger mail_insert
  after insert on {{schema}}.invitations
  for each row
  execute function {{schema}}.mail_invitation();

create trigger mail_update
  after update on {{schema}}.invitations
  for each row
  when
    (((old.expires_at IS DISTINCT FROM new.expires_at) OR (old.accepted_at IS DISTINCT FROM new.accepted_at) OR
    (old.revoked_at IS DISTINCT FROM new.revoked_at)))
  execute function {{schema}}.mail_invitation();

create policy "system_insert" on {{schema}}."invitations"
  for insert
  to "freehold_system"
  with check ((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid));

revoke all on function {{schema}}."enqueue_job"(text, jsonb) from public;

grant execute on function {{schema}}."enqueue_job"(text, jsonb) to "freehold_system";

revoke all on table {{schema}}."invitations" from "freehold_system";

grant delete, insert, select, update on table {{schema}}."invitations" to "freehold_system";
