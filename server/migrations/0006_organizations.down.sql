-- Takes 0006_organizations back.
-- loses: branches
-- loses: companies
-- loses: department_people
-- loses: departments
-- loses: invitation_links
-- loses: member_words
-- loses: preferences
-- loses: seeded_accounts
-- loses: workspaces
-- loses: invitations.guest
-- loses: invitations.mail_at
-- loses: invitations.role_id
-- loses: one_time_tokens.mail_at
-- loses: roles.deleted_at
-- loses: roles.name_key
-- loses: users.guest

set local check_function_bodies = off;

drop policy "tenant_delete" on {{schema}}."branches";

drop policy "tenant_insert" on {{schema}}."branches";

drop policy "tenant_read" on {{schema}}."branches";

drop policy "tenant_update" on {{schema}}."branches";

drop policy "tenant_delete" on {{schema}}."companies";

drop policy "tenant_insert" on {{schema}}."companies";

drop policy "tenant_read" on {{schema}}."companies";

drop policy "tenant_update" on {{schema}}."companies";

drop policy "tenant_delete" on {{schema}}."custom_role_permissions";

drop policy "tenant_insert" on {{schema}}."custom_role_permissions";

drop policy "tenant_delete" on {{schema}}."department_people";

drop policy "tenant_insert" on {{schema}}."department_people";

drop policy "tenant_read" on {{schema}}."department_people";

drop policy "tenant_delete" on {{schema}}."departments";

drop policy "tenant_insert" on {{schema}}."departments";

drop policy "tenant_read" on {{schema}}."departments";

drop policy "tenant_update" on {{schema}}."departments";

drop policy "tenant_insert" on {{schema}}."invitation_links";

drop policy "tenant_read" on {{schema}}."invitation_links";

drop policy "holders" on {{schema}}."invitations";

drop policy "views" on {{schema}}."invitations";

drop policy "tenant_read" on {{schema}}."member_words";

drop policy "locking" on {{schema}}."organizations";

drop policy "gate" on {{schema}}."roles";

drop policy "locking" on {{schema}}."roles";

drop policy "tenant_insert" on {{schema}}."roles";

drop policy "tenant_update" on {{schema}}."roles";

drop policy "tenant_delete" on {{schema}}."workspaces";

drop policy "tenant_insert" on {{schema}}."workspaces";

drop policy "tenant_read" on {{schema}}."workspaces";

drop policy "tenant_update" on {{schema}}."workspaces";

drop trigger "role_rule" on {{schema}}."custom_role_permissions";

drop trigger "guard_role" on {{schema}}."invitations";

drop trigger "history" on {{schema}}."invitations";

drop trigger "open_limit_insert" on {{schema}}."invitations";

drop trigger "open_limit_update" on {{schema}}."invitations";

drop trigger "spend_links" on {{schema}}."invitations";

drop trigger "with_mail" on {{schema}}."invitations";

drop trigger "creation" on {{schema}}."memberships";

drop trigger "guest_insert" on {{schema}}."memberships";

drop trigger "guest_update" on {{schema}}."memberships";

drop trigger "keep_role" on {{schema}}."memberships";

drop trigger "role_rule" on {{schema}}."memberships";

drop trigger "founder" on {{schema}}."organizations";

drop trigger "complete" on {{schema}}."roles";

drop trigger "history" on {{schema}}."roles";

drop trigger "role_rule_of_invitations" on {{schema}}."roles";

drop trigger "role_rule" on {{schema}}."roles";

drop trigger "event_update" on {{schema}}."users";

drop trigger "give_preferences" on {{schema}}."users";

drop trigger "touch" on {{schema}}."users";

drop view {{schema}}."live_users";

drop view {{schema}}."own_invitations";

drop view {{schema}}."live_invitations";

drop view {{schema}}."live_inviters";

drop view {{schema}}."own_organizations";

alter table {{schema}}."branches"
  drop constraint "branches_company_fkey";

alter table {{schema}}."branches"
  drop constraint "branches_created_by_fkey";

alter table {{schema}}."branches"
  drop constraint "branches_organization_id_fkey";

alter table {{schema}}."companies"
  drop constraint "companies_created_by_fkey";

alter table {{schema}}."companies"
  drop constraint "companies_organization_id_fkey";

alter table {{schema}}."department_people"
  drop constraint "department_people_created_by_fkey";

alter table {{schema}}."department_people"
  drop constraint "department_people_department_fkey";

alter table {{schema}}."department_people"
  drop constraint "department_people_organization_id_fkey";

alter table {{schema}}."department_people"
  drop constraint "department_people_user_fkey";

alter table {{schema}}."departments"
  drop constraint "departments_branch_fkey";

alter table {{schema}}."departments"
  drop constraint "departments_created_by_fkey";

alter table {{schema}}."departments"
  drop constraint "departments_organization_id_fkey";

alter table {{schema}}."departments"
  drop constraint "departments_parent_fkey";

alter table {{schema}}."invitation_links"
  drop constraint "invitation_links_created_by_fkey";

alter table {{schema}}."invitation_links"
  drop constraint "invitation_links_invitation_fkey";

alter table {{schema}}."invitation_links"
  drop constraint "invitation_links_organization_id_fkey";

alter table {{schema}}."invitations"
  drop constraint "invitations_of_guests";

alter table {{schema}}."invitations"
  drop constraint "invitations_role_fkey";

alter table {{schema}}."invitations"
  drop constraint "invitations_role_id";

alter table {{schema}}."preferences"
  drop constraint "preferences_user_id_fkey";

alter table {{schema}}."roles"
  drop constraint "roles_name_reserved";

alter table {{schema}}."seeded_accounts"
  drop constraint "seeded_accounts_user_id_fkey";

alter table {{schema}}."workspaces"
  drop constraint "workspaces_created_by_fkey";

alter table {{schema}}."workspaces"
  drop constraint "workspaces_organization_id_fkey";

alter table {{schema}}."workspaces"
  drop constraint "workspaces_project_id_fkey";

drop function {{schema}}."complete_role"();

drop function {{schema}}."enqueue_job"(text, jsonb, timestamp with time zone);

drop function {{schema}}."fold_text"(text);

drop function {{schema}}."give_preferences"();

drop function {{schema}}."guard_founder"();

drop function {{schema}}."guard_guest"();

drop function {{schema}}."guard_invited_role"();

drop function {{schema}}."guard_role"();

drop function {{schema}}."guard_role_of_member"();

drop function {{schema}}."guard_role_permission"();

drop function {{schema}}."hold_accounts"(uuid[]);

drop function {{schema}}."hold_roles"();

drop function {{schema}}."hold_structure"(uuid);

drop function {{schema}}."is_over_mail_quota"(text, text, text, text);

drop function {{schema}}."keep_invited_role"();

drop function {{schema}}."keep_member_words"(uuid, uuid);

drop function {{schema}}."keep_open_limit"();

drop function {{schema}}."keep_role"();

drop function {{schema}}."keep_words_of_account"();

drop function {{schema}}."keep_words_of_membership"();

drop function {{schema}}."lock_account"();

drop function {{schema}}."next_mail_at"(text);

drop function {{schema}}."permissions_of"(uuid, text, uuid);

drop function {{schema}}."refusal_of_offer"(text, uuid);

drop function {{schema}}."require_offerable_role"(text, uuid);

drop function {{schema}}."require_own_permissions"(text[]);

drop function {{schema}}."search_words"(text);

drop function {{schema}}."spend_invitation_links"();

drop function {{schema}}."word_beginnings"(text, text);

drop function {{schema}}."words_of_member"(text, text, text, text, text);

alter table {{schema}}."invitations"
  alter column "expires_at" drop default;

alter table {{schema}}."invitations"
  drop column "guest";

alter table {{schema}}."invitations"
  drop column "mail_at";

alter table {{schema}}."invitations"
  drop column "role_id";

alter table {{schema}}."one_time_tokens"
  drop column "mail_at";

alter table {{schema}}."roles"
  drop column "deleted_at";

alter table {{schema}}."roles"
  drop column "name_key";

alter table {{schema}}."users"
  drop column "guest";

drop table {{schema}}."branches";

drop table {{schema}}."companies";

drop table {{schema}}."department_people";

drop function {{schema}}."guard_assignment"();

drop table {{schema}}."departments";

drop function {{schema}}."lock_structure"();

drop function {{schema}}."place_department"();

drop table {{schema}}."invitation_links";

drop function {{schema}}."fill_invitation_link"();

drop function {{schema}}."make_invitation_link"();

drop table {{schema}}."member_words";

drop table {{schema}}."preferences";

drop table {{schema}}."seeded_accounts";

drop table {{schema}}."workspaces";

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

create or replace function {{schema}}.gate_is_open()
  returns boolean
  language plpgsql
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  wanted constant text := coalesce(current_setting('app.permission', true), '');
  own constant xid8 := pg_current_xact_id();
begin
  if wanted = '' then
    return exists (select from sessions s join users u on u.id = s.user_id
      where s.id = nullif(current_setting('app.session_id', true), '')::uuid
        and (s.gate_changed_in = own or s.revoked_at is null and s.expires_at > now())
        and (u.gate_changed_in = own or u.disabled_at is null and u.deleted_at is null));
  end if;
  return exists (select from gate) or exists (select from sessions s
    join users u on u.id = s.user_id
    join organizations o on o.id = nullif(current_setting('app.organization_id', true), '')::uuid
    left join memberships m on m.organization_id = o.id and m.user_id = s.user_id
    where own in (s.gate_changed_in, u.gate_changed_in, o.gate_changed_in, m.gate_changed_in)
      and s.id = nullif(current_setting('app.session_id', true), '')::uuid
      and (s.gate_changed_in = own or s.revoked_at is null and s.expires_at > now())
      and (u.gate_changed_in = own or u.disabled_at is null and u.deleted_at is null)
      and (o.gate_changed_in = own
        or o.deleted_at is null and (s.gate_changed_in = own or s.second_factor_at is not null or not o.second_factor_required or is_way_out()))
      and (m.gate_changed_in = own
        or (u.superuser or u.gate_changed_in = own) and exists (select from role_permissions p where p.permission = wanted and p.role = 'superuser')
        or m.disabled_at is null and m.deleted_at is null and (m.role_id is not null and own_role_permits()
          or exists (select from role_permissions p where m.role_id is null and p.permission = wanted and p.role = m.role))));
end $function$;

create or replace function {{schema}}.guard_membership()
  returns trigger
  language plpgsql
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
declare
  wanted constant text := coalesce(current_setting('app.permission', true), '');
  is_own constant boolean := new.user_id = acting_user();
  concerns_owners constant boolean := tg_op = 'UPDATE' and (new.role = 'owner' or old.role = 'owner');
  ends_only constant boolean := tg_op = 'UPDATE' and old.deleted_at is null and new.deleted_at is not null
    and (old.role, old.role_id, old.title, old.company, old.disabled_at) is not distinct from (new.role, new.role_id, new.title, new.company, new.disabled_at);
  transfers_only constant boolean := tg_op = 'UPDATE' and new.role_id is null
    and (old.title, old.company, old.disabled_at, old.deleted_at) is not distinct from (new.title, new.company, new.disabled_at, new.deleted_at);
  reopens constant boolean := tg_op = 'UPDATE' and old.deleted_at is not null and old.deleted_at is distinct from new.deleted_at;
begin
  if tg_op = 'UPDATE' then
    new.removed_at := case when new.deleted_at is null then null
      when wanted = 'members:write' and not is_own and old.deleted_at is distinct from new.deleted_at then now() else old.removed_at end;
  end if;
  if nullif(current_setting('app.session_id', true), '') is null then
    return new;
  end if;
  if tg_op = 'INSERT' and wanted <> '' then
    raise exception 'no request adds a member' using errcode = '42501';
  end if;
  if wanted = 'members:write' and concerns_owners
    and (old.role, old.disabled_at, old.deleted_at) is distinct from (new.role, new.disabled_at, new.deleted_at)
    and not exists (select from gate where organization_id = new.organization_id and role = 'owner') then
    raise exception 'only an owner decides who is an owner' using errcode = '23514', constraint = 'memberships_owner_by_owner';
  end if;
  if wanted = 'members:write' and reopens and new.deleted_at is null then
    -- The account is not deleted meanwhile, and its row comes after that of the membership in the order of locks.
    perform from users where id = new.user_id for no key update;
  end if;
  if wanted = 'members:write' and reopens and not exists (select from users u where u.id = new.user_id and case when new.deleted_at is null
      then old.removed_at > now() - interval '30 days' and u.deleted_at is null
      else old.removed_at is null and u.deleted_at = old.deleted_at and u.erased_at is null end) then
    raise exception 'the membership has ended' using errcode = '23514', constraint = 'memberships_restorable';
  end if;
  if wanted = 'invitations:write' or wanted = 'organization:leave' and not (is_own and ends_only)
    or wanted = 'organization:transfer' and not (transfers_only and new.role = case when is_own then 'admin' else 'owner' end) then
    raise exception '% does not allow this change of a membership', wanted using errcode = '42501';
  end if;
  return new;
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

create or replace function {{schema}}.lock_key (
  space text,
  name  text
)
  returns bigint
  language plpgsql
  immutable
  parallel safe
  set search_path to 'pg_catalog', 'pg_temp'
  AS $function$
declare
  place constant integer := array_position(array['revocation', 'owners', 'idempotency', 'superusers', 'signing-keys', 'mail', 'product'], space);
begin
  if place is null then
    raise exception 'there is no lock space %: add it to lock_key()', space using errcode = '22023';
  end if;
  return (place::bigint << 56) | ('x' || left(encode(sha256(convert_to(name, 'UTF8')), 'hex'), 14))::bit(56)::bigint;
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

create or replace function {{schema}}.own_role_permits()
  returns boolean
  language sql
  stable
  security definer
  set search_path to {{schema}}, 'pg_temp'
  AS $function$
  select exists (select from sessions s
    join memberships m on m.organization_id = nullif(current_setting('app.organization_id', true), '')::uuid and m.user_id = s.user_id
    join custom_role_permissions p on p.organization_id = m.organization_id and p.role_id = m.role_id
    join role_permissions known on known.permission = p.permission and known.role = 'admin'
    where s.id = nullif(current_setting('app.session_id', true), '')::uuid and p.permission = current_setting('app.permission', true)) $function$;

-- lock: ACCESS EXCLUSIVE on roles: everything waits while the index is built, 10 to 60 seconds for 10 million rows. Where that is too long: a unique index in an online migration, then add constraint … using index
alter table {{schema}}."roles"
  add constraint "roles_name_key" unique (organization_id, name);

create or replace view {{schema}}."gate" with (security_barrier=true) AS  SELECT s.id AS session_id,
    s.user_id,
    o.id AS organization_id,
    current_setting('app.permission'::text, true) AS permission,
        CASE
            WHEN (current_setting('app.permission'::text, true) !~~ 'admin:%'::text) THEN m.role
            WHEN u.superuser THEN 'superuser'::text
            ELSE NULL::text
        END AS role,
    (current_setting('app.permission'::text, true) !~~ '%:read'::text) AS writes,
    ((s.second_factor_at IS NOT NULL) OR (NOT o.second_factor_required)) AS reads
   FROM ((({{schema}}.sessions s
     JOIN {{schema}}.users u ON ((u.id = s.user_id)))
     JOIN {{schema}}.organizations o ON ((o.id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid)))
     LEFT JOIN LATERAL ( SELECT memberships.role,
            memberships.role_id,
                CASE
                    WHEN (memberships.role_id IS NULL) THEN memberships.role
                    ELSE NULL::text
                END AS built_in
           FROM {{schema}}.memberships
          WHERE ((memberships.organization_id = o.id) AND (memberships.user_id = s.user_id) AND (memberships.disabled_at IS NULL) AND (memberships.deleted_at IS NULL))
         OFFSET 0) m ON (true))
  WHERE ((s.id = (NULLIF(current_setting('app.session_id'::text, true), ''::text))::uuid) AND (s.revoked_at IS NULL) AND (s.expires_at > now()) AND (u.disabled_at IS NULL) AND (u.deleted_at IS NULL) AND (o.deleted_at IS NULL) AND ((s.second_factor_at IS NOT NULL) OR (NOT o.second_factor_required) OR {{schema}}.is_way_out()) AND ((EXISTS ( SELECT
           FROM {{schema}}.role_permissions p
          WHERE ((p.permission = ( SELECT current_setting('app.permission'::text, true) AS current_setting)) AND ((p.role = m.built_in) OR (u.superuser AND (p.role = 'superuser'::text)))))) OR ((m.role_id IS NOT NULL) AND {{schema}}.own_role_permits())));

create view {{schema}}."live_users" with (security_barrier=true) AS  SELECT id,
    email,
    username,
    password_hash,
    given_name,
    family_name,
    full_name,
    superuser,
    email_verified_at,
    email_verified,
    last_organization_id,
    unopened_organization_ids,
    locale,
    disabled_at,
    deleted_at,
    erased_at,
    gate_changed_in,
    created_at,
    updated_at,
    version
   FROM {{schema}}.users
  WHERE ((disabled_at IS NULL) AND (deleted_at IS NULL));

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

create trigger history
  after insert or delete or update on {{schema}}.invitations
  for each row
  execute function
    {{schema}}.record_change('invitations', '{role,invited_by,expires_at,accepted_at,revoked_at}');

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

create trigger creation
  before insert on {{schema}}.memberships
  for each row
  when (((NULLIF(current_setting('app.session_id'::text, true), ''::text) IS
    NOT NULL) AND (COALESCE(current_setting('app.permission'::text, true), ''::text) = ''::text)))
  execute function {{schema}}.guard_creation();

create trigger history
  after insert or delete or update on {{schema}}.roles
  for each row
  execute function {{schema}}.record_change('roles', '{name,description}');

create trigger event_update
  after update on {{schema}}.users
  for each row
  when
    (((old.email IS DISTINCT FROM new.email) OR (old.username IS DISTINCT FROM new.username) OR (old.password_hash IS
    DISTINCT FROM new.password_hash) OR (old.given_name IS DISTINCT FROM new.given_name) OR
    (old.family_name IS DISTINCT FROM new.family_name) OR (old.full_name IS DISTINCT FROM new.full_name) OR
    (old.superuser IS DISTINCT FROM new.superuser) OR (old.email_verified_at IS DISTINCT FROM new.email_verified_at) OR
    (old.disabled_at IS DISTINCT FROM new.disabled_at) OR (old.deleted_at IS DISTINCT FROM new.deleted_at)))
  execute function {{schema}}.record_account();

create trigger touch
  before update of email,
    username,
    password_hash,
    given_name,
    family_name,
    full_name, superuser, email_verified_at, locale, disabled_at, deleted_at on {{schema}}.users
  for each row
  execute function {{schema}}.touch();

create policy "system_insert" on {{schema}}."invitations"
  for insert
  to "freehold_system"
  with check ((organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid));

revoke all on function {{schema}}."enqueue_job"(text, jsonb) from public;

grant execute on function {{schema}}."enqueue_job"(text, jsonb) to "freehold_system";

revoke all on function {{schema}}."own_role_permits"() from public;

grant execute on function {{schema}}."own_role_permits"() to "freehold_system", "freehold_tenant";

revoke all on table {{schema}}."custom_role_permissions" from "freehold_tenant";

grant select on table {{schema}}."custom_role_permissions" to "freehold_tenant";

revoke all on table {{schema}}."invitations" from "freehold_system";

grant delete, insert, select, update on table {{schema}}."invitations" to "freehold_system";

revoke all on table {{schema}}."roles" from "freehold_tenant";

grant select on table {{schema}}."roles" to "freehold_tenant";

grant select on table {{schema}}."gate" to "freehold_system", "freehold_tenant";

grant select on table {{schema}}."gate_state" to "freehold_system", "freehold_tenant";

grant select, update on table {{schema}}."live_users" to "freehold_system";

grant select on table {{schema}}."own_organizations" to "freehold_system", "freehold_tenant";

revoke all ("credential_id") on table {{schema}}."passkeys" from "freehold_tenant";
