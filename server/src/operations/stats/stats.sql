-- What happened on each day (in UTC), as sums: charts of a year read a few hundred rows, whatever the audit log and the security
-- events hold. A job computes them from both, which lose their rows after some time.
create table daily_stats (
  day                  date not null primary key,
  sign_ups             integer not null,
  sign_ins             integer not null,
  failures             integer not null,
  lockouts             integer not null,
  active_users         integer not null,
  active_organizations integer not null,
  computed_at          timestamptz not null -- final if the day had ended well before
);
alter table daily_stats enable row level security;
create policy system on daily_stats to freehold_system using (true);
grant select, insert, update on daily_stats to freehold_system;

-- The same of each organization, only for days on which anything happened.
create table organization_daily_stats (
  organization_id      uuid not null, -- no foreign key: its checks would lock organizations while the job runs
  day                  date not null,
  sign_ins             integer not null,
  active_members       integer not null,
  invitations_sent     integer not null,
  invitations_accepted integer not null,
  changes              integer not null,
  primary key (organization_id, day)
);
create index organization_daily_stats_day on organization_daily_stats (day); -- for the deletion of old ones
alter table organization_daily_stats enable row level security;
alter table organization_daily_stats force row level security;
create policy tenant_read on organization_daily_stats for select to freehold_tenant
  using (organization_id = (select organization_id from gate where reads and permission = 'stats:read'));
create policy system on organization_daily_stats to freehold_system using (true);
create policy maintenance on organization_daily_stats to freehold_owner using (current_setting('app.maintenance', true) = 'on');
grant select on organization_daily_stats to freehold_tenant;
grant select, insert, update, delete on organization_daily_stats to freehold_system;

-- In place of a foreign key. Only the system login deletes an organization.
create function delete_stats() returns trigger language plpgsql set search_path = {{schema}}, pg_temp as $$
begin
  delete from organization_daily_stats where organization_id = old.id;
  return null;
end $$;
revoke execute on function delete_stats() from public;
create trigger stats after delete on organizations for each row execute function delete_stats();
