-- The orders that were there before 731 passed a stricter check.
set lock_timeout = '5s';
set statement_timeout = '60s';

alter table ops.interventions validate constraint interventions_verb_check;
