-- A background job is a row of pg-boss, written in the transaction that causes the work, with the queue's retry policy.
-- Its data contains only ids, so that the queue reveals no personal data, and the trace of the request, if there is one. platform/jobs/jobs.ts creates the queues. A job with a
-- time waits for it.
create function enqueue_job(queue_name text, data jsonb, start_at timestamptz default now()) returns uuid language plpgsql set search_path = {{schema}}, pg_temp as $$
declare
  job_id uuid;
  trace constant text := nullif(current_setting('app.context', true), '')::jsonb ->> 'traceparent';
begin
  if exists (select from jsonb_each_text(data) where value !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$') then
    raise exception 'a job of the queue % is given something that is no id', queue_name using errcode = '22023';
  end if;
  insert into {{jobs}}.job (name, data, start_after, retry_limit, retry_delay, retry_backoff, retry_delay_max, expire_seconds, deletion_seconds, keep_until, dead_letter, policy)
  select name, enqueue_job.data || case when trace ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$' then jsonb_build_object('traceparent', trace) else '{}' end, start_at, retry_limit, retry_delay, retry_backoff, retry_delay_max, expire_seconds, deletion_seconds, greatest(now(), start_at) + make_interval(secs => retention_seconds), dead_letter, policy
  from {{jobs}}.queue where name = queue_name
  returning id into strict job_id;
  return job_id;
end $$;
revoke execute on function enqueue_job(text, jsonb, timestamptz) from public;
grant execute on function enqueue_job(text, jsonb, timestamptz) to freehold_system;
