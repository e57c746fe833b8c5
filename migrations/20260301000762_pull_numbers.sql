-- squawk-ignore-file changing-column-type
-- Numbers of pull requests are bigint everywhere. These columns are of this release: no program of an older one reads them.

set lock_timeout = '5s';
set statement_timeout = '60s';

alter table ops.webhook_deliveries alter column number type bigint;
alter table ops.pull_reviews alter column number type bigint;
alter table ops.commit_reports alter column number type bigint;
alter table ops.merge_bounds alter column number type bigint;
