-- Which provider of models an answer under way takes a place at: spec.limits.concurrency counts over all gateways.
set lock_timeout = '5s';
set statement_timeout = '60s';

alter table ops.reservations add column place text;
comment on column ops.reservations.place is 'Of an answer: the gate whose limits.concurrency it counts for while it is not released; null: that has none.';
