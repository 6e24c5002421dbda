-- transaction: none
-- Each statement by itself, and again from the first one if it stopped half-way.
-- Takes 0013_support_and_heartbeats_online back.

-- lock: SHARE UPDATE EXCLUSIVE on sessions: reads and writes go on
drop index concurrently if exists {{schema}}."sessions_not_over";

-- lock: SHARE UPDATE EXCLUSIVE on sessions: reads and writes go on
drop index concurrently if exists {{schema}}."sessions_not_over_last_seen_at";

-- lock: SHARE UPDATE EXCLUSIVE on license_activations: reads and writes go on
drop index concurrently if exists {{schema}}."license_activations_license";
