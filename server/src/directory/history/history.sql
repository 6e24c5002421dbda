-- The audit log. A trigger writes one entry for each change to a table of an organization, in the same transaction.
-- What happened to accounts and sessions is in security_events.
create sequence audit_sequence; -- not an identity column: PostgreSQL 15 and 18 differ on partitions

create table audit_log (
  organization_id uuid not null, -- no foreign key: the deletion of an organization writes an entry after the row was deleted
  id              uuid not null default new_id(),
  transaction     xid8 not null default pg_current_xact_id(),
  sequence        bigint not null default nextval('audit_sequence'),
  actor_id        uuid,
  session_id      uuid,
  request_id      text,
  ip              text,
  user_agent      text,
  action          text not null,
  entity_type     text not null,
  entity_id       uuid,
  before          jsonb,
  after           jsonb,
  operator_id     uuid, -- who acted through support access; the actor is then the principal of that access
  primary key (organization_id, id)
) partition by range (id);
create table audit_log_default partition of audit_log default; -- no grants: partitions are accessed through their parent
create index audit_log_actor on audit_log (organization_id, actor_id, id);
create index audit_log_entity on audit_log (organization_id, entity_type, entity_id, id);
create index audit_log_request on audit_log (organization_id, request_id);
-- For operators, who read the entries of all organizations, and for the statistics of a day. On the partition, the only one so
-- far: PostgreSQL cannot build an index of a partitioned table while others write. No more than these: each makes every change
-- of every organization slower.
create index audit_log_default_id on audit_log_default (id);
create index audit_log_default_actor on audit_log_default (actor_id, id);

alter table audit_log enable row level security;
alter table audit_log force row level security;
-- Inserts do not ask the gate: a statement that revokes its own permission must still be recorded. Only triggers
-- insert.
create policy history on audit_log for insert to public
  with check (pg_trigger_depth() > 0 and organization_id = nullif(current_setting('app.organization_id', true), '')::uuid);
create policy tenant_read on audit_log for select to freehold_tenant
  using (organization_id = (select organization_id from gate where permission = 'audit:read' or permission like 'admin:%'));
create policy system_read on audit_log for select to freehold_system using (true);
create policy support on audit_log for insert to freehold_owner with check (entity_type = 'support'); -- record_support_request()
create policy maintenance on audit_log to freehold_owner using (current_setting('app.maintenance', true) = 'on');
-- The audit log loses data in two ways only: the IP address and user agent of an erased user are removed, and all
-- entries of an organization whose row was deleted are replaced by one tombstone.
create policy forget on audit_log for update to freehold_system
  using (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid
    and exists (select from users u where u.id in (actor_id, operator_id) and u.deleted_at is not null))
  with check (ip is null and user_agent is null);
grant select, insert on audit_log to freehold_tenant, freehold_system;
grant update (ip, user_agent) on audit_log to freehold_system;
create policy erase on audit_log to freehold_owner
  using (not exists (select from organizations o where o.id = organization_id)) with check (action = 'erase');
create function erase_history() returns trigger language plpgsql security definer set search_path = {{schema}}, pg_temp as $$
declare
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
  erased integer;
begin
  delete from audit_log where organization_id = old.id;
  get diagnostics erased = row_count;
  insert into audit_log (organization_id, request_id, action, entity_type, entity_id, before)
  values (old.id, context ->> 'request_id', 'erase', 'organizations', old.id, jsonb_build_object('events', erased));
  return null;
end $$;
revoke execute on function erase_history() from public;
-- Deferred to the commit, so that it runs after every write of the deletion.
create constraint trigger erase_history after delete on organizations deferrable initially deferred for each row execute function erase_history();
grant usage on sequence audit_sequence to freehold_tenant, freehold_system;

create table security_events (
  id         uuid not null default new_id() primary key,
  type       text not null,
  user_id    uuid, -- no foreign key: an event outlives its user, and a failed sign-in may have no user
  session_id uuid,
  actor_id   uuid,
  request_id text,
  ip         text,
  user_agent text,
  details    jsonb,
  created_at timestamptz not null default now()
);
create index security_events_user_id on security_events (user_id, id);
create index security_events_actor_id on security_events (actor_id) where actor_id is distinct from user_id;
-- The lists of operators.
create index security_events_actor on security_events (actor_id, id);
create index security_events_type on security_events (type, id);
create index security_events_ip on security_events (ip, id);

-- Records a security event. If it is `mailed`, the user gets an email, no matter who or what caused the event. The one who caused it
-- is the user of the session, or without a session the user in the context.
create function record_event(type text, user_id uuid, session_id uuid, details jsonb default null, mailed boolean default false) returns void
  language plpgsql set search_path = {{schema}}, pg_temp as $$
declare
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
  event_id constant uuid := new_id();
begin
  insert into security_events (id, type, user_id, session_id, actor_id, request_id, ip, user_agent, details)
  values (event_id, type, user_id, session_id, coalesce(acting_user(), (context ->> 'user_id')::uuid), context ->> 'request_id', context ->> 'ip', context ->> 'user_agent', details);
  if mailed and user_id is not null then
    perform enqueue_job('mail', jsonb_build_object('event_id', event_id));
  end if;
end $$;
revoke execute on function record_event(text, uuid, uuid, jsonb, boolean) from public;
grant execute on function record_event(text, uuid, uuid, jsonb, boolean) to freehold_tenant, freehold_system;

create function record_session() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  if tg_op = 'INSERT' then
    perform record_event('session-created', new.user_id, new.id, jsonb_strip_nulls(jsonb_build_object('methods', new.methods, 'organization_id', new.organization_id)));
  else
    perform record_event('session-revoked', new.user_id, new.id, jsonb_build_object('reason', new.revoked_reason));
  end if;
  return null;
end $$;
revoke execute on function record_session() from public;
create trigger event_insert after insert on sessions for each row execute function record_session();
create trigger event_revoke after update on sessions for each row
  when (old.revoked_at is null and new.revoked_at is not null) execute function record_session();

-- Only the names of the changed fields: their values are personal data.
create function record_account() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  perform record_event(case when tg_op = 'INSERT' then 'account-created' else 'account-changed' end, new.id,
    nullif(current_setting('app.session_id', true), '')::uuid,
    case when tg_op = 'UPDATE' then jsonb_build_object('changed', (select jsonb_agg(n.key order by n.key)
      from jsonb_each(to_jsonb(new)) n join jsonb_each(to_jsonb(old)) o using (key)
      where n.value is distinct from o.value and key not in ('version', 'updated_at', 'last_organization_id', 'unopened_organization_ids', 'gate_changed_in', 'superuser_since', 'superuser_through'))) end);
  return null;
end $$;
revoke execute on function record_account() from public;
create trigger event_insert after insert on users for each row execute function record_account();
create trigger event_update after update on users for each row
  when ((old.email, old.username, old.password_hash, old.given_name, old.family_name, old.full_name, old.superuser, old.guest, old.email_verified_at, old.disabled_at, old.deleted_at)
    is distinct from (new.email, new.username, new.password_hash, new.given_name, new.family_name, new.full_name, new.superuser, new.guest, new.email_verified_at, new.disabled_at, new.deleted_at))
  execute function record_account();

alter table security_events enable row level security;
create policy history on security_events for insert to public with check (pg_trigger_depth() > 0);
create policy system_read on security_events for select to freehold_system using (true);
create policy system_insert on security_events for insert to freehold_system with check (true);
-- Only old events can be deleted, whatever the settings are: the recent actions of an attacker stay visible.
create policy system_delete on security_events for delete to freehold_system using (created_at < now() - interval '30 days');
create policy forget on security_events for update to freehold_system
  using (created_at < now() - interval '30 days' or exists (select from users u where u.id in (security_events.user_id, actor_id) and u.deleted_at is not null))
  with check (ip is null and user_agent is null);
grant insert on security_events to freehold_tenant;
grant select, insert, update (ip, user_agent), delete on security_events to freehold_system;

-- What happened to the user's own account. Who else caused it, and from where, is not the user's to know.
create view own_security_events with (security_barrier) as
  select id, user_id, type, session_id, case when actor_id is null then 'unknown' when actor_id = user_id then 'self' else 'other' end as actor,
    case when actor_id is null or actor_id = user_id then ip end as ip, case when actor_id is null or actor_id = user_id then user_agent end as user_agent,
    created_at
  from security_events where user_id = (select user_id from self);
grant select on own_security_events to freehold_tenant;

-- What operators did: one entry for each operation that may change something and was not refused, also if everything was so
-- already. It is the last statement of the same transaction, and no login can change it.
create table operator_log (
  id              uuid not null default new_id() primary key,
  actor_id        uuid not null, -- no foreign keys: an entry outlives what it names
  session_id      uuid not null,
  request_id      text,
  ip              text,
  user_agent      text,
  operation       text not null,
  organization_id uuid,
  entity_type     text,
  entity_id       uuid,
  details         jsonb,
  created_at      timestamptz not null default now()
);
create index operator_log_actor on operator_log (actor_id, id);
create index operator_log_organization on operator_log (organization_id, id) where organization_id is not null;
create index operator_log_entity on operator_log (entity_id, id) where entity_id is not null;
create index operator_log_operation on operator_log (operation, id);
create index operator_log_entity_type on operator_log (entity_type, id) where entity_type is not null;
create index operator_log_request on operator_log (request_id, id) where request_id is not null;
alter table operator_log enable row level security;
grant select, update (ip, user_agent) on operator_log to freehold_system;
create policy system_read on operator_log for select to freehold_system using (true);
create policy forget on operator_log for update to freehold_system
  using (exists (select from users u where u.id = actor_id and u.deleted_at is not null)) with check (ip is null and user_agent is null);

-- Whatever the operation changed, it does not commit after the operator has lost the role or the session.
create constraint trigger still_open after insert on operator_log deferrable initially deferred for each row execute function still_open();

-- The organization that an operation names gets an entry in its own audit log, too.
create function record_operation() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  insert into audit_log (organization_id, actor_id, session_id, request_id, ip, user_agent, action, entity_type, entity_id, after)
  values (new.organization_id, new.actor_id, new.session_id, new.request_id, new.ip, new.user_agent, 'operate', coalesce(new.entity_type, 'organizations'),
    coalesce(new.entity_id, new.organization_id), jsonb_strip_nulls(jsonb_build_object('operation', new.operation, 'details', new.details)));
  return null;
end $$;
revoke execute on function record_operation() from public;
create trigger history after insert on operator_log for each row when (new.organization_id is not null) execute function record_operation();
