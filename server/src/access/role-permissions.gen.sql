-- Generated from access/permissions.ts by `npm run generate`.
create view role_permissions as select role, permissions from (values
  ('viewer', '{members:read, organization:leave, organization:read, projects:read}'::text[]),
  ('member', '{members:read, organization:leave, organization:read, projects:read, projects:write}'::text[]),
  ('admin', '{audit:read, members:read, members:write, organization:leave, organization:read, organization:write, projects:read, projects:write}'::text[]),
  ('owner', '{audit:read, members:read, members:write, organization:delete, organization:leave, organization:read, organization:transfer, organization:write, projects:read, projects:write}'::text[]),
  ('superuser', '{admin:audit:read}'::text[])
) as matrix (role, permissions);
