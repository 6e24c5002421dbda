-- The permissions of each role. The features declare them; migrations write them (platform/schema/declared-rows.ts).
create table role_permissions (
  permission text not null,
  role       text not null,
  primary key (permission, role)
);
alter table role_permissions enable row level security;
grant select on role_permissions to freehold_system;
create policy system on role_permissions for select to freehold_system using (true);
