-- Takes 0004_findings_of_november back.
-- loses: totp_factors.id

alter table {{schema}}."totp_factors"
  drop column "id";
