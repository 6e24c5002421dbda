-- transaction: none
-- Each statement by itself, and again from the first one if it stopped half-way.
-- Takes 0013_support_and_heartbeats_online back.

-- lock: SHARE UPDATE EXCLUSIVE on sessions: reads and writes go on
drop index concurrently if exists {{schema}}."sessions_not_over";

-- lock: SHARE UPDATE EXCLUSIVE on sessions: reads and writes go on
drop index concurrently if exists {{schema}}."sessions_not_over_last_seen_at";

-- lock: SHARE UPDATE EXCLUSIVE on operator_log: reads and writes go on
drop index concurrently if exists {{schema}}."operator_log_request";

-- lock: SHARE UPDATE EXCLUSIVE on operator_log: reads and writes go on
drop index concurrently if exists {{schema}}."operator_log_operation";

-- lock: SHARE UPDATE EXCLUSIVE on operator_log: reads and writes go on
drop index concurrently if exists {{schema}}."operator_log_entity_type";

-- lock: SHARE UPDATE EXCLUSIVE on licenses: reads and writes go on
drop index concurrently if exists {{schema}}."licenses_status";

-- lock: SHARE UPDATE EXCLUSIVE on licenses: reads and writes go on
drop index concurrently if exists {{schema}}."licenses_plan_id";
