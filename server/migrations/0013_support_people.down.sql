-- Takes 0013_support_people back.

create policy "support" on {{schema}}."users"
  as restrictive
  for all
  to "freehold_tenant"
  using (( select (COALESCE(current_setting('app.support_id'::text, true), ''::text) = ''::text)));
