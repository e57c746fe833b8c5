-- All rows are good: the columns of the migration before are new.

set lock_timeout = '5s';
set statement_timeout = '60s';

alter table ops.webhook_deliveries validate constraint webhook_deliveries_lengths;
