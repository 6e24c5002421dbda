-- transaction: none
-- Each statement by itself, and again from the first one if it stopped half-way.
-- The part of 0013_licenses_under_attack that lets others work.

-- lock: SHARE UPDATE EXCLUSIVE on license_activations: reads and writes go on while every row is checked, 1 to 10 seconds for 10 million rows
alter table {{schema}}."license_activations"
  validate constraint "license_activations_metadata_size";

-- lock: SHARE UPDATE EXCLUSIVE on license_plans: reads and writes go on while every row is checked, 1 to 10 seconds for 10 million rows
alter table {{schema}}."license_plans"
  validate constraint "license_plans_default_has_seat";

-- lock: SHARE UPDATE EXCLUSIVE on licenses: reads and writes go on while every row is checked, 1 to 10 seconds for 10 million rows
alter table {{schema}}."licenses"
  validate constraint "licenses_expires_in_time";
