-- transaction: none
-- Each statement by itself, and again from the first one if it stopped half-way.
-- Takes 0014_licenses_under_attack_online back.

-- What it checked stays checked until the constraint goes.
