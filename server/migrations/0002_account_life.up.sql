-- account life

set local check_function_bodies = off;

drop policy "tenant_read" on {{schema}}."audit_log";

drop policy "self" on {{schema}}."idempotency_keys";

drop policy "tenant_delete" on {{schema}}."memberships";

drop policy "tenant_insert" on {{schema}}."memberships";

drop policy "tenant_read" on {{schema}}."memberships";

drop policy "tenant_update" on {{schema}}."memberships";

drop policy "tenant_delete" on {{schema}}."organizations";

drop policy "tenant_insert" on {{schema}}."organizations";

drop policy "tenant_read" on {{schema}}."organizations";

drop policy "tenant_update" on {{schema}}."organizations";

drop policy "tenant_delete" on {{schema}}."projects";

drop policy "tenant_insert" on {{schema}}."projects";

drop policy "tenant_read" on {{schema}}."projects";

drop policy "tenant_update" on {{schema}}."projects";

drop policy "system" on {{schema}}."security_events";

drop policy "self_revoke" on {{schema}}."sessions";

drop policy "self" on {{schema}}."sessions";

drop policy "self_update" on {{schema}}."users";

drop policy "self" on {{schema}}."users";

drop trigger "history" on {{schema}}."memberships";

drop trigger "history" on {{schema}}."organizations";

drop trigger "revocation" on {{schema}}."organizations";

drop trigger "touch" on {{schema}}."users";

drop view {{schema}}."gate_state";

drop view {{schema}}."gate";

drop view {{schema}}."own_organizations";

drop view {{schema}}."role_permissions";

drop view {{schema}}."self";

create table {{schema}}."devices" (
  "user_id"       uuid                     not null,
  "user_agent"    text,
  "ip"            text,
  "trusted_until" timestamp with time zone,
  "created_at"    timestamp with time zone not null default now(),
  "last_seen_at"  timestamp with time zone not null default now(),
  "revoked_at"    timestamp with time zone,
  "id"            uuid                     not null default {{schema}}.new_id(),
  constraint "devices_pkey" primary key (id)
);

alter table {{schema}}."devices"
  enable row level security;

create table {{schema}}."identities" (
  "user_id"      uuid                     not null,
  "provider"     text                     not null,
  "issuer"       text                     not null,
  "subject"      text                     not null,
  "email"        text,
  "created_at"   timestamp with time zone not null default now(),
  "last_used_at" timestamp with time zone,
  constraint "identities_subject_key" unique (issuer, subject),
  "id"           uuid                     not null default {{schema}}.new_id(),
  constraint "identities_pkey" primary key (id)
);

alter table {{schema}}."identities"
  enable row level security;

create table {{schema}}."invitations" (
  "organization_id" uuid                     not null,
  "email"           text                     not null,
  "role"            text                     not null,
  "invited_by"      uuid                     not null,
  "expires_at"      timestamp with time zone not null,
  "accepted_at"     timestamp with time zone,
  "revoked_at"      timestamp with time zone,
  "created_at"      timestamp with time zone not null default now(),
  "updated_at"      timestamp with time zone not null default now(),
  "version"         integer                  not null default 1,
  constraint "invitations_email_check" check ((email = lower(email))),
  constraint "invitations_role_check"
    check ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'member'::text, 'viewer'::text]))),
  "id"              uuid                     not null default {{schema}}.new_id(),
  constraint "invitations_pkey" primary key (organization_id, id)
);

alter table {{schema}}."invitations"
  enable row level security;

alter table {{schema}}."invitations"
  force row level security;

create table {{schema}}."one_time_tokens" (
  "purpose"    text                     not null,
  "user_id"    uuid,
  "email"      text,
  "details"    jsonb                    not null default '{}'::jsonb,
  "created_at" timestamp with time zone not null default now(),
  "expires_at" timestamp with time zone not null,
  "used_at"    timestamp with time zone,
  "id"         uuid                     not null default {{schema}}.new_id(),
  constraint "one_time_tokens_pkey" primary key (id)
);

alter table {{schema}}."one_time_tokens"
  enable row level security;

create table {{schema}}."passkeys" (
  "user_id"       uuid                     not null,
  "credential_id" bytea                    not null,
  "public_key"    bytea                    not null,
  "counter"       bigint                   not null default 0,
  "transports"    text[]                   not null default '{}'::text[],
  "name"          text                     not null,
  "backed_up"     boolean                  not null default false,
  "created_at"    timestamp with time zone not null default now(),
  "updated_at"    timestamp with time zone not null default now(),
  "last_used_at"  timestamp with time zone,
  "version"       integer                  not null default 1,
  constraint "passkeys_credential_id_key" unique (credential_id),
  "id"            uuid                     not null default {{schema}}.new_id(),
  constraint "passkeys_pkey" primary key (id)
);

alter table {{schema}}."passkeys"
  enable row level security;

create table {{schema}}."recovery_codes" (
  "user_id"    uuid                     not null,
  "code_hash"  bytea                    not null,
  "created_at" timestamp with time zone not null default now(),
  "used_at"    timestamp with time zone,
  constraint "recovery_codes_pkey" primary key (user_id, code_hash)
);

alter table {{schema}}."recovery_codes"
  enable row level security;

create table {{schema}}."retired_names" (
  "digest"     bytea                    not null,
  "retired_at" timestamp with time zone not null default now(),
  constraint "retired_names_pkey" primary key (digest)
);

alter table {{schema}}."retired_names"
  enable row level security;

create table {{schema}}."throttles" (
  "key"           text                     not null,
  "failures"      integer                  not null default 0,
  "counted_since" timestamp with time zone,
  "pending"       integer                  not null default 0,
  "pending_until" timestamp with time zone,
  "locked_until"  timestamp with time zone,
  "updated_at"    timestamp with time zone not null default now(),
  constraint "throttles_pkey" primary key (key)
);

alter table {{schema}}."throttles"
  enable row level security;

create table {{schema}}."totp_factors" (
  "user_id"      uuid                     not null,
  "secret"       bytea                    not null,
  "last_step"    bigint,
  "confirmed_at" timestamp with time zone,
  "created_at"   timestamp with time zone not null default now(),
  constraint "totp_factors_pkey" primary key (user_id)
);

alter table {{schema}}."totp_factors"
  enable row level security;

alter table {{schema}}."organizations"
  add column "second_factor_required" boolean not null default false;

alter table {{schema}}."sessions"
  add column "methods" text[] not null default '{password}'::text[];

alter table {{schema}}."sessions"
  add column "second_factor_at" timestamp with time zone;

alter table {{schema}}."sessions"
  add column "device_id" uuid;

alter table {{schema}}."users"
  add column "locale" text;

alter table {{schema}}."users"
  add column "erased_at" timestamp with time zone;

create or replace function {{schema}}.end_waiting_sign_ins()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  update one_time_tokens set used_at = now() where user_id = new.id and purpose = 'mfa' and used_at is null;
  return null;
end $function$;

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

create or replace function {{schema}}.guard_second_factor_rule()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if nullif(current_setting('app.session_id', true), '') is null then
    return new;
  end if;
  if not exists (select from gate where organization_id = new.id and role in ('owner', 'superuser')) then
    raise exception 'only an owner decides about second factors' using errcode = '23514', constraint = 'organizations_second_factor_by_owner';
  end if;
  if not exists (select from self where second_factor) then
    raise exception 'the session has proved no second factor' using errcode = '23514', constraint = 'organizations_second_factor_proved';
  end if;
  return new;
end $function$;

create or replace function {{schema}}.keep_throttle (
  t {{schema}}.throttles
)
  returns void
  language sql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  update throttles set failures = t.failures, pending = t.pending, pending_until = t.pending_until, locked_until = t.locked_until,
    counted_since = case when t.failures > 0 then coalesce(t.counted_since, clock_timestamp()) end, updated_at = clock_timestamp()
  where key = t.key $function$;

create or replace function {{schema}}.lock_throttle (
  t       {{schema}}.throttles,
  seconds integer,
  person  uuid
)
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
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
    perform record_event('second-factor-locked', person, null, jsonb_build_object('until', t.locked_until));
    return;
  end if;
  perform record_event('sign-in-locked', person, null, counted || jsonb_build_object('until', t.locked_until));
  insert into one_time_tokens (purpose, user_id, details, expires_at) values ('unlock', person, counted, t.locked_until) returning id into token_id;
  perform enqueue_job('mail', jsonb_build_object('token_id', token_id));
end $function$;

create or replace function {{schema}}.open_throttle (
  wanted text
)
  returns {{schema}}.throttles
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
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
end $function$;

create or replace function {{schema}}.record_event (
  type       text,
  user_id    uuid,
  session_id uuid,
  details    jsonb default null::jsonb
)
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  context constant jsonb := nullif(current_setting('app.context', true), '')::jsonb;
  event_id constant uuid := new_id();
begin
  insert into security_events (id, type, user_id, session_id, actor_id, request_id, ip, user_agent, details)
  values (event_id, type, user_id, session_id, (context ->> 'user_id')::uuid, context ->> 'request_id', context ->> 'ip', context ->> 'user_agent', details);
  -- What a person must hear of, whoever caused it, in whatever way.
  if user_id is not null and type in ('password-changed', 'password-reset', 'email-change-requested', 'email-changed', 'totp-added',
    'totp-removed', 'recovery-codes-made', 'recovery-code-used', 'passkey-added', 'passkey-removed', 'identity-linked',
    'identity-unlinked', 'refresh-token-reused', 'second-factor-locked') then
    perform enqueue_job('mail', jsonb_build_object('event_id', event_id));
  end if;
end $function$;

create or replace function {{schema}}.record_session()
  returns trigger
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if tg_op = 'INSERT' then
    perform record_event('session-created', new.user_id, new.id, jsonb_build_object('methods', new.methods));
  else
    perform record_event('session-revoked', new.user_id, new.id, jsonb_build_object('reason', new.revoked_reason));
  end if;
  return null;
end $function$;

create or replace function {{schema}}.reserve_guess (
  counter         text,
  most            integer,
  seconds         integer,
  person          uuid,
  address         text,
  most_of_address integer,
  OUT             verdict text,
  OUT             retry_seconds integer
)
  returns record
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
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
end $function$;

create or replace function {{schema}}.settle_guess (
  counter         text,
  most            integer,
  seconds         integer,
  person          uuid,
  address         text,
  most_of_address integer,
  is_right        boolean
)
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
begin
  if address is not null then
    perform settle_throttle(address, most_of_address, 3600, null, nullif(is_right, true));
  end if;
  if counter is not null then
    perform settle_throttle(counter, most, seconds, person, is_right);
  end if;
end $function$;

create or replace function {{schema}}.settle_throttle (
  wanted   text,
  most     integer,
  seconds  integer,
  person   uuid,
  is_right boolean
)
  returns void
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
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
end $function$;

create or replace function {{schema}}.take_guess (
  wanted  text,
  most    integer,
  seconds integer,
  person  uuid,
  OUT     verdict text,
  OUT     retry_seconds integer
)
  returns record
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
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
end $function$;

alter table {{schema}}."devices"
  add constraint "devices_user_id_fkey" foreign key (user_id) references {{schema}}.users(id)
    on delete cascade;

alter table {{schema}}."identities"
  add constraint "identities_user_id_fkey" foreign key (user_id) references {{schema}}.users(id)
    on delete cascade;

alter table {{schema}}."invitations"
  add constraint "invitations_organization_id_fkey" foreign key (organization_id)
    references {{schema}}.organizations(id) on delete cascade;

alter table {{schema}}."invitations"
  add constraint "invitations_organization_id_invited_by_fkey" foreign key (organization_id, invited_by)
    references {{schema}}.memberships(organization_id, user_id);

alter table {{schema}}."one_time_tokens"
  add constraint "one_time_tokens_user_id_fkey" foreign key (user_id) references {{schema}}.users(id)
    on delete cascade;

alter table {{schema}}."passkeys"
  add constraint "passkeys_user_id_fkey" foreign key (user_id) references {{schema}}.users(id)
    on delete cascade;

alter table {{schema}}."recovery_codes"
  add constraint "recovery_codes_user_id_fkey" foreign key (user_id) references {{schema}}.users(id)
    on delete cascade;

alter table {{schema}}."totp_factors"
  add constraint "totp_factors_user_id_fkey" foreign key (user_id) references {{schema}}.users(id)
    on delete cascade;

alter table {{schema}}."users"
  add constraint "users_locale_check" check ((locale = ANY (ARRAY['en'::text, 'de'::text])));

create view {{schema}}."role_permissions" AS  SELECT '{"audit:read": ["admin", "owner"], "members:read": ["viewer", "member", "admin", "owner"], "members:write": ["admin", "owner"], "projects:read": ["viewer", "member", "admin", "owner"], "projects:write": ["member", "admin", "owner"], "admin:audit:read": ["superuser"], "invitations:read": ["admin", "owner"], "invitations:write": ["admin", "owner"], "organization:read": ["viewer", "member", "admin", "owner"], "organization:leave": ["viewer", "member", "admin", "owner"], "organization:write": ["admin", "owner"], "organization:delete": ["owner"], "organization:transfer": ["owner"]}'::jsonb AS holders;

create view {{schema}}."gate" with (security_barrier=true) AS  SELECT s.id AS session_id,
    s.user_id,
    o.id AS organization_id,
    current_setting('app.permission'::text, true) AS permission,
        CASE
            WHEN (current_setting('app.permission'::text, true) !~~ 'admin:%'::text) THEN m.role
            WHEN u.superuser THEN 'superuser'::text
            ELSE NULL::text
        END AS role,
    (current_setting('app.permission'::text, true) !~~ '%:read'::text) AS writes
   FROM (((({{schema}}.sessions s
     JOIN {{schema}}.users u ON ((u.id = s.user_id)))
     JOIN {{schema}}.organizations o ON ((o.id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid)))
     LEFT JOIN LATERAL ( SELECT memberships.role
           FROM {{schema}}.memberships
          WHERE ((memberships.organization_id = o.id) AND (memberships.user_id = s.user_id) AND (memberships.disabled_at IS NULL) AND (memberships.deleted_at IS NULL))
         OFFSET 0) m ON (true))
     CROSS JOIN {{schema}}.role_permissions)
  WHERE ((s.id = (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid) AND (s.revoked_at IS NULL) AND (s.expires_at > now()) AND (u.disabled_at IS NULL) AND (u.deleted_at IS NULL) AND (o.deleted_at IS NULL) AND ((s.second_factor_at IS NOT NULL) OR (NOT o.second_factor_required)) AND ((role_permissions.holders -> current_setting('app.permission'::text, true)) ?| ARRAY[m.role,
        CASE
            WHEN u.superuser THEN 'superuser'::text
            ELSE NULL::text
        END]));

create view {{schema}}."second_factors" with (security_barrier=true) AS  SELECT id AS user_id,
    (EXISTS ( SELECT
           FROM {{schema}}.totp_factors t
          WHERE ((t.user_id = users.id) AND (t.confirmed_at IS NOT NULL)))) AS totp,
    (EXISTS ( SELECT
           FROM {{schema}}.passkeys p
          WHERE (p.user_id = users.id))) AS passkey,
    (( SELECT count(*) AS count
           FROM {{schema}}.recovery_codes r
          WHERE ((r.user_id = users.id) AND (r.used_at IS NULL))))::integer AS recovery_codes
   FROM {{schema}}.users;

create view {{schema}}."self" with (security_barrier=true) AS  SELECT s.id AS session_id,
    s.user_id,
    (s.second_factor_at IS NOT NULL) AS second_factor
   FROM ({{schema}}.sessions s
     JOIN {{schema}}.users u ON ((u.id = s.user_id)))
  WHERE ((s.id = (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid) AND (s.revoked_at IS NULL) AND (s.expires_at > now()) AND (u.disabled_at IS NULL) AND (u.deleted_at IS NULL));

create view {{schema}}."gate_state" with (security_barrier=true) AS  SELECT (EXISTS ( SELECT
           FROM {{schema}}.self)) AS live,
    ((m.user_id IS NOT NULL) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL) AND (o.deleted_at IS NULL)) AS member,
    (o.second_factor_required AND (s.second_factor_at IS NULL) AND ((m.user_id IS NOT NULL) OR u.superuser)) AS second_factor_missing,
    (EXISTS ( SELECT
           FROM {{schema}}.gate)) AS permitted
   FROM ((((( SELECT (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid AS session_id,
            (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid AS organization_id) named
     LEFT JOIN {{schema}}.sessions s ON ((s.id = named.session_id)))
     LEFT JOIN {{schema}}.users u ON ((u.id = s.user_id)))
     LEFT JOIN {{schema}}.organizations o ON ((o.id = named.organization_id)))
     LEFT JOIN {{schema}}.memberships m ON (((m.organization_id = o.id) AND (m.user_id = s.user_id))));

create view {{schema}}."own_organizations" with (security_barrier=true) AS  SELECT o.id,
    o.kind,
    o.name,
    o.slug,
    o.second_factor_required,
    o.created_at,
    o.updated_at,
    o.version,
    m.role,
    m.created_at AS joined_at,
    self.user_id
   FROM (({{schema}}.self
     JOIN {{schema}}.memberships m ON (((m.user_id = self.user_id) AND (m.disabled_at IS NULL) AND (m.deleted_at IS NULL))))
     JOIN {{schema}}.organizations o ON (((o.id = m.organization_id) AND (o.deleted_at IS NULL))));

create index idempotency_keys_created_at on {{schema}}.idempotency_keys using btree (created_at);

create unique index invitations_email_key on {{schema}}.invitations using btree (organization_id, email)
  where ((accepted_at is null) AND (revoked_at is null));

create index invitations_invited_by on {{schema}}.invitations using btree (organization_id, invited_by);

create index one_time_tokens_expires_at on {{schema}}.one_time_tokens using btree (expires_at);

create index one_time_tokens_user_id on {{schema}}.one_time_tokens using btree (user_id, purpose);

create index security_events_actor_id on {{schema}}.security_events using btree (actor_id)
  where (actor_id is DISTINCT from user_id);

create index throttles_updated_at on {{schema}}.throttles using btree (updated_at);

create index users_deleted_at on {{schema}}.users using btree (deleted_at)
  where ((deleted_at is not null) AND (erased_at is null));

create constraint TRIGGER still_open
  after update on {{schema}}.devices deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger history
  after insert or delete or update on {{schema}}.invitations
  for each row
  execute function
    {{schema}}.record_change('invitations', '{role,invited_by,expires_at,accepted_at,revoked_at}');

create constraint TRIGGER still_open
  after insert or delete or update on {{schema}}.invitations deferrable initially deferred
  for each row
  execute function {{schema}}.still_open();

create trigger touch
  before update on {{schema}}.invitations
  for each row
  execute function {{schema}}.touch();

create trigger history
  after insert or delete or update on {{schema}}.memberships
  for each row
  execute function {{schema}}.record_change('memberships', '{role,disabled_at,deleted_at}');

create trigger history
  after insert or delete or update on {{schema}}.organizations
  for each row
  execute function
    {{schema}}.record_change('organizations', '{name,slug,kind,second_factor_required,deleted_at}');

create trigger revocation
  before update on {{schema}}.organizations
  for each row
  when
    (((old.deleted_at IS DISTINCT FROM new.deleted_at) OR (old.second_factor_required IS DISTINCT FROM
    new.second_factor_required)))
  execute function {{schema}}.lock_revocation('id');

create trigger second_factor_rule
  before update on {{schema}}.organizations
  for each row
  when ((old.second_factor_required IS DISTINCT FROM new.second_factor_required))
  execute function {{schema}}.guard_second_factor_rule();

create trigger touch
  before update of name on {{schema}}.passkeys
  for each row
  execute function {{schema}}.touch();

create trigger revocation_second_factor
  before update on {{schema}}.sessions
  for each row
  when (((old.second_factor_at IS NOT NULL) AND (new.second_factor_at IS NULL)))
  execute function {{schema}}.lock_revocation('user_id');

create trigger end_waiting_sign_ins
  after update of password_hash on {{schema}}.users
  for each row
  when ((old.password_hash IS DISTINCT FROM new.password_hash))
  execute function {{schema}}.end_waiting_sign_ins();

create trigger touch
  before update of email,
    username,
    password_hash,
    given_name,
    family_name,
    full_name, superuser, email_verified_at, locale, disabled_at, deleted_at on {{schema}}.users
  for each row
  execute function {{schema}}.touch();

create policy "erase" on {{schema}}."audit_log"
  for delete
  to "freehold_system"
  using
    (((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid) AND (not (exists
    ( select
   from {{schema}}.organizations o
  where (o.id = audit_log.organization_id))))));

create policy "forget" on {{schema}}."audit_log"
  for update
  to "freehold_system"
  using ((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid))
  with check (((ip IS NULL) AND (user_agent IS NULL)));

create policy "tenant_read" on {{schema}}."audit_log"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where ((gate.permission = 'audit:read'::text) or (gate.permission ~~ 'admin:%'::text)))));

create policy "self_revoke" on {{schema}}."devices"
  for update
  to "freehold_tenant"
  using (((user_id = ( select self.user_id
   from {{schema}}.self)) AND (revoked_at is null)))
  with check (((user_id = ( SELECT self.user_id
   FROM {{schema}}.self)) AND (revoked_at IS NOT NULL)));

create policy "self" on {{schema}}."devices"
  for select
  to "freehold_tenant"
  using ((user_id = ( select self.user_id
   from {{schema}}.self)));

create policy "system" on {{schema}}."devices"
  for all
  to "freehold_system"
  using (true);

create policy "self" on {{schema}}."idempotency_keys"
  for all
  to "freehold_tenant"
  using ((user_id = ( select self.user_id
   from {{schema}}.self)));

create policy "self" on {{schema}}."identities"
  for select
  to "freehold_tenant"
  using ((user_id = ( select self.user_id
   from {{schema}}.self)));

create policy "system" on {{schema}}."identities"
  for all
  to "freehold_system"
  using (true);

create policy "maintenance" on {{schema}}."invitations"
  for all
  to "freehold_owner"
  using ((current_setting('app.maintenance'::text, true) = 'on'::text));

create policy "system_read" on {{schema}}."invitations"
  for select
  to "freehold_system"
  using (true);

create policy "system_write" on {{schema}}."invitations"
  for all
  to "freehold_system"
  using ((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid));

create policy "tenant_delete" on {{schema}}."invitations"
  for delete
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.writes)));

create policy "tenant_insert" on {{schema}}."invitations"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE gate.writes)));

create policy "tenant_read" on {{schema}}."invitations"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate)));

create policy "tenant_update" on {{schema}}."invitations"
  for update
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.writes)));

create policy "tenant_delete" on {{schema}}."memberships"
  for delete
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.writes)));

create policy "tenant_insert" on {{schema}}."memberships"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE gate.writes)));

create policy "tenant_read" on {{schema}}."memberships"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate)));

create policy "tenant_update" on {{schema}}."memberships"
  for update
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.writes)));

create policy "system" on {{schema}}."one_time_tokens"
  for all
  to "freehold_system"
  using (true);

create policy "tenant_delete" on {{schema}}."organizations"
  for delete
  to "freehold_tenant"
  using ((id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.writes)));

create policy "tenant_insert" on {{schema}}."organizations"
  for insert
  to "freehold_tenant"
  with check ((id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE gate.writes)));

create policy "tenant_read" on {{schema}}."organizations"
  for select
  to "freehold_tenant"
  using ((id = ( select gate.organization_id
   from {{schema}}.gate)));

create policy "tenant_update" on {{schema}}."organizations"
  for update
  to "freehold_tenant"
  using ((id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.writes)));

create policy "system" on {{schema}}."passkeys"
  for all
  to "freehold_system"
  using (true);

create policy "tenant_delete" on {{schema}}."projects"
  for delete
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.writes)));

create policy "tenant_insert" on {{schema}}."projects"
  for insert
  to "freehold_tenant"
  with check ((organization_id = ( SELECT gate.organization_id
   FROM {{schema}}.gate
  WHERE gate.writes)));

create policy "tenant_read" on {{schema}}."projects"
  for select
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate)));

create policy "tenant_update" on {{schema}}."projects"
  for update
  to "freehold_tenant"
  using ((organization_id = ( select gate.organization_id
   from {{schema}}.gate
  where gate.writes)));

create policy "system" on {{schema}}."recovery_codes"
  for all
  to "freehold_system"
  using (true);

create policy "system" on {{schema}}."retired_names"
  for all
  to "freehold_system"
  using (true);

create policy "forget" on {{schema}}."security_events"
  for update
  to "freehold_system"
  using (true)
  with check (((ip IS NULL) AND (user_agent IS NULL)));

create policy "system_delete" on {{schema}}."security_events"
  for delete
  to "freehold_system"
  using (true);

create policy "system_insert" on {{schema}}."security_events"
  for insert
  to "freehold_system"
  with check (true);

create policy "system_read" on {{schema}}."security_events"
  for select
  to "freehold_system"
  using (true);

create policy "self_revoke" on {{schema}}."sessions"
  for update
  to "freehold_tenant"
  using (((user_id = ( select self.user_id
   from {{schema}}.self)) AND (revoked_at is null)))
  with check (((user_id = ( SELECT self.user_id
   FROM {{schema}}.self)) AND (revoked_at IS NOT NULL)));

create policy "self" on {{schema}}."sessions"
  for select
  to "freehold_tenant"
  using ((user_id = ( select self.user_id
   from {{schema}}.self)));

create policy "system" on {{schema}}."throttles"
  for all
  to "freehold_system"
  using (true);

create policy "system" on {{schema}}."totp_factors"
  for all
  to "freehold_system"
  using (true);

create policy "self_update" on {{schema}}."users"
  for update
  to "freehold_tenant"
  using ((id = ( select self.user_id
   from {{schema}}.self)));

create policy "self" on {{schema}}."users"
  for select
  to "freehold_tenant"
  using ((id = ( select self.user_id
   from {{schema}}.self)));

revoke all on function {{schema}}."end_waiting_sign_ins"() from public;

revoke all on function {{schema}}."enqueue_job"(text, jsonb) from public;

grant execute on function {{schema}}."enqueue_job"(text, jsonb) to "freehold_system";

revoke all on function {{schema}}."guard_second_factor_rule"() from public;

revoke all on function {{schema}}."keep_throttle"({{schema}}.throttles) from public;

grant execute
  on function {{schema}}."keep_throttle"({{schema}}.throttles)
  to "freehold_system";

revoke all
  on function {{schema}}."lock_throttle"({{schema}}.throttles, integer, uuid)
  from public;

grant execute
  on function {{schema}}."lock_throttle"({{schema}}.throttles, integer, uuid)
  to "freehold_system";

revoke all on function {{schema}}."open_throttle"(text) from public;

grant execute on function {{schema}}."open_throttle"(text) to "freehold_system";

revoke all
  on function {{schema}}."reserve_guess"(text, integer, integer, uuid, text, integer)
  from public;

grant execute
  on function {{schema}}."reserve_guess"(text, integer, integer, uuid, text, integer)
  to "freehold_system";

revoke all
  on function {{schema}}."settle_guess"(text, integer, integer, uuid, text, integer, boolean)
  from public;

grant execute
  on function {{schema}}."settle_guess"(text, integer, integer, uuid, text, integer, boolean)
  to "freehold_system";

revoke all on function {{schema}}."settle_throttle"(text, integer, integer, uuid, boolean) from public;

grant execute
  on function {{schema}}."settle_throttle"(text, integer, integer, uuid, boolean)
  to "freehold_system";

revoke all on function {{schema}}."take_guess"(text, integer, integer, uuid) from public;

grant execute on function {{schema}}."take_guess"(text, integer, integer, uuid) to "freehold_system";

revoke all on table {{schema}}."audit_log" from "freehold_system";

grant delete, insert, select on table {{schema}}."audit_log" to "freehold_system";

grant delete, insert, select, update on table {{schema}}."devices" to "freehold_system";

grant select on table {{schema}}."devices" to "freehold_tenant";

grant delete, insert, select, update on table {{schema}}."identities" to "freehold_system";

grant select on table {{schema}}."identities" to "freehold_tenant";

grant delete, insert, select, update
  on table {{schema}}."invitations"
  to "freehold_system", "freehold_tenant";

grant delete, insert, select, update on table {{schema}}."one_time_tokens" to "freehold_system";

grant delete, insert, select, update on table {{schema}}."passkeys" to "freehold_system";

grant delete, insert, select, update on table {{schema}}."recovery_codes" to "freehold_system";

grant delete, insert, select on table {{schema}}."retired_names" to "freehold_system";

grant delete, insert, select, update on table {{schema}}."throttles" to "freehold_system";

grant delete, insert, select, update on table {{schema}}."totp_factors" to "freehold_system";

grant select on table {{schema}}."gate" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."gate_state" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."own_organizations" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."second_factors" to "freehold_system";

grant select on table {{schema}}."self" to "freehold_system", "freehold_tenant";

create index devices_user_id on {{schema}}.devices using btree (user_id, id);

create index identities_user_id on {{schema}}.identities using btree (user_id, id);

create index one_time_tokens_email on {{schema}}.one_time_tokens using btree (email, purpose, id)
  where (email is not null);

create index passkeys_user_id on {{schema}}.passkeys using btree (user_id, id);

revoke all ("ip") on table {{schema}}."audit_log" from "freehold_system";

grant update ("ip") on table {{schema}}."audit_log" to "freehold_system";

revoke all ("user_agent") on table {{schema}}."audit_log" from "freehold_system";

grant update ("user_agent") on table {{schema}}."audit_log" to "freehold_system";

grant update ("revoked_at") on table {{schema}}."devices" to "freehold_tenant";

revoke all ("ip") on table {{schema}}."security_events" from "freehold_system";

grant update ("ip") on table {{schema}}."security_events" to "freehold_system";

revoke all ("user_agent") on table {{schema}}."security_events" from "freehold_system";

grant update ("user_agent") on table {{schema}}."security_events" to "freehold_system";

revoke all ("device_id") on table {{schema}}."sessions" from "freehold_tenant";

grant select ("device_id") on table {{schema}}."sessions" to "freehold_tenant";

revoke all ("methods") on table {{schema}}."sessions" from "freehold_tenant";

grant select ("methods") on table {{schema}}."sessions" to "freehold_tenant";

revoke all ("second_factor_at") on table {{schema}}."sessions" from "freehold_tenant";

grant select ("second_factor_at") on table {{schema}}."sessions" to "freehold_tenant";

revoke all ("locale") on table {{schema}}."users" from "freehold_tenant";

grant select ("locale"), update ("locale") on table {{schema}}."users" to "freehold_tenant";
