-- support people

drop policy "support" on {{schema}}."users";
