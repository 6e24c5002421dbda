-- Generated from platform/gate/permissions.ts by `npm run generate`.
create view role_permissions as select '{
  "admin:audit:read": ["superuser"],
  "audit:read": ["admin", "owner"],
  "invitations:read": ["admin", "owner"],
  "invitations:write": ["admin", "owner"],
  "members:read": ["viewer", "member", "admin", "owner"],
  "members:write": ["admin", "owner"],
  "organization:delete": ["owner"],
  "organization:leave": ["viewer", "member", "admin", "owner"],
  "organization:read": ["viewer", "member", "admin", "owner"],
  "organization:transfer": ["owner"],
  "organization:write": ["admin", "owner"],
  "projects:read": ["viewer", "member", "admin", "owner"],
  "projects:write": ["member", "admin", "owner"]
}'::jsonb as holders;
