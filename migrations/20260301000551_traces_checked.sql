-- All rows are good: the columns of the migration before are new.

set lock_timeout = '5s';
set statement_timeout = '60s';

alter table ops.interventions validate constraint interventions_traceparent;
alter table ops.runs validate constraint runs_traceparent;
